"""The explorer's page: self-contained, safe against text that looks like markup, differences marked."""

import json
import re

from tracekd import as_published, explorer
from tracekd.cases import LISTS, PROBLEM, RIGHT
from tracekd.records import write_jsonl

ROWS = as_published.GoldRows([PROBLEM, LISTS])
GOOD = f"<think>{RIGHT}</think> <answer>['Orion']</answer>"


def test_page_is_self_contained_and_safe():
    nasty = "</script><script>alert(1)</script><!-- __ABOUT__"
    page = explorer.page([explorer.entry(PROBLEM, nasty, True, "a", ROWS)], "T <b>", "about", "GENERATED problems")
    assert "</script><script>" not in page and "T &lt;b&gt;" in page and "GENERATED problems" in page
    assert not re.search(r"(src|href)=|https?://|@import", page)
    data = re.search(r"const ROWS=(.*?);\nconst esc", page, re.DOTALL)[1]
    assert json.loads(data)[0]["text"] == nasty
    assert re.search(r"__(TITLE|DATA|BANNER)__", page) is None


def test_entry_holds_both_verdicts_and_differences():
    found = explorer.entry(PROBLEM, GOOD, True, "a", ROWS)
    assert found["aligned"]["cell"] == "both"
    assert found["published"]["answer"] is False
    html = explorer.show(found)
    assert "#0072B2" in html and "#D55E00" not in html


def test_own_entries_and_widgets(tmp_path):
    path = tmp_path / "o.jsonl"
    about = {"dataset": "cotempqa", "condition": "correct", "seed": 1}
    write_jsonl(path, [{"id": PROBLEM.id, "text": GOOD, **about}, {"id": "other", "text": "x", **about}])
    entries = explorer.own_entries([PROBLEM], [path], {("cotempqa", "correct"): "templated"})
    assert [entry["adapter"] for entry in entries] == ["cotempqa · correct (templated) · seed 1"]
    assert explorer.own_entries([PROBLEM], [path], {})[0]["adapter"] == "cotempqa · correct · seed 1"
    box = explorer.widgets(entries)
    _, rules, cell = box.children[0].children
    assert "Orion" in box.children[2].value
    # What a saved notebook keeps of a widget beside its state names no text of a problem.
    assert "Orion" not in str(box._repr_mimebundle_()) and "1 outputs" in repr(box)
    rules.value, cell.value = "as published", "both"
    assert box.children[2].value == "none"
    assert explorer.write_page(tmp_path / "p.html", entries, "t", "a").stat().st_size > 2000
