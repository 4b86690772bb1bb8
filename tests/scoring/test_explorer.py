"""The explorer's page: self-contained, safe against text that looks like markup, with both verdicts."""

import json
import re

from invented_outputs import LISTS, PROBLEM, RIGHT

from tracekd.io.records import write_jsonl
from tracekd.scoring.outputs import write_page

KNOWN = {p.id: p for p in (PROBLEM, LISTS)}


def test_page_is_self_contained_safe_and_names_generated_problems(tmp_path):
    nasty = "</script><script>alert(1)</script><!-- __DATA__"
    good = f"<think>{RIGHT}</think> <answer>['Orion']</answer>"
    rows = [{"id": LISTS.id, "text": nasty}, {"id": PROBLEM.id, "text": good}, {"id": "other", "text": "x"}, {}]
    write_jsonl(path := tmp_path / "cotempqa" / "r1-1.jsonl", [row | {"source": "GENERATED problems"} for row in rows])
    page = write_page(tmp_path / "p.html", KNOWN, [path]).read_text()
    assert "</script><script>" not in page and "<b>GENERATED problems</b>" in page
    assert not re.search(r"(src|href)=|https?://|@import", page)
    first, second = json.loads(re.search(r"const ROWS=(.*?);\nconst esc", page, re.DOTALL)[1])
    assert first["text"] == nasty and first["file"] == "cotempqa: r1-1"
    # "Orion" stands in the question, so the release's rule deletes it: the answer counts as wrong.
    assert second["verdicts"] == {
        "id-aligned": ["both", True, True, True, True],
        "as published": ["trace_only", True, True, True, False],
    }
    assert write_page(tmp_path / "p.html", KNOWN, [path], limit=1).read_text().count('"id":') == 1
