"""The explorer's page: self-contained, safe against text that looks like markup, differences marked."""

import json
import re

from tracekd.io.records import write_jsonl
from tracekd.scoring import explorer, release_rules
from tracekd.scoring.grader_examples import LISTS, PROBLEM, RIGHT

ROWS = release_rules.GoldRows([PROBLEM, LISTS])
GOOD = f"<think>{RIGHT}</think> <answer>['Orion']</answer>"


def test_page_is_self_contained_and_safe(tmp_path):
    nasty = "</script><script>alert(1)</script><!-- __ABOUT__"
    entries = [explorer.entry(PROBLEM, nasty, True, "a", ROWS)]
    page = explorer.write_page(tmp_path / "p.html", entries, "T <b>", "about", "GENERATED problems").read_text()
    assert "</script><script>" not in page and "T &lt;b&gt;" in page and "GENERATED problems" in page
    assert not re.search(r"(src|href)=|https?://|@import", page)
    data = re.search(r"const ROWS=(.*?);\nconst esc", page, re.DOTALL)[1]
    assert json.loads(data)[0]["text"] == nasty
    assert re.search(r"__(TITLE|DATA|BANNER)__", page) is None


def test_own_entries_and_widgets(tmp_path):
    path = tmp_path / "o.jsonl"
    about = {"dataset": "cotempqa", "condition": "correct", "seed": 1}
    write_jsonl(path, [{"id": PROBLEM.id, "text": GOOD, **about}, {"id": "other", "text": "x", **about}])
    entries = explorer.own_entries([PROBLEM], [path], {("cotempqa", "correct"): "templated"})
    assert [entry["adapter"] for entry in entries] == ["cotempqa · correct (templated) · seed 1"]
    # "Orion" stands in the question, so the release's rule deletes it.
    assert entries[0]["aligned"]["cell"] == "both" and entries[0]["published"]["answer"] is False
    box = explorer.widgets(entries)
    _, rules, cell = box.children[0].children
    shown = box.children[2]
    assert "#0072B2" in shown.value and "#D55E00" not in shown.value  # every stated fact is gold
    # What a saved notebook keeps of a widget beside its state names no text of a problem.
    assert "Orion" in shown.value and "Orion" not in str(box._repr_mimebundle_())
    rules.value, cell.value = "published", "both"
    assert shown.value == "none"
