"""Read ratings files of three kinds into the long format.

Kinds, told apart by their columns: the survey page's own export (CSV or JSON, one file a participant or a folder of
them), plain long CSV, and wide CSV as Qualtrics writes it (one row a participant, columns
``[PROBLEM__]TRACE_TYPE__ITEM``, with ``__seconds`` and ``__order`` in the item's place where known, ``check_K`` for
attention checks; its two extra header rows are skipped).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd

from tracekd.study import COLUMNS, TRACE_TYPES, scale_of

REQUIRED = ("participant", "trace_type", "item", "rating")
PARTICIPANT = ("participant", "participant_id", "prolific_pid", "prolific id", "participant id", "responseid")
SPELLINGS = {
    "r1_trace": "r1", "r1_traces": "r1", "raw_r1": "r1", "r1_summaries": "r1_summary", "summarized_r1": "r1_summary",
    "summarized_r1_traces": "r1_summary", "r1_explanations": "r1_explanation", "post_hoc": "r1_explanation",
    "decomposed": "correct", "algorithmic": "correct", "correct_trace": "correct",
}  # fmt: skip


def read(path: str | Path) -> pd.DataFrame:
    """Read a ratings file, or every CSV and JSON file of a folder, as it stands; all values are text.

    Returns:
        The columns of the long format, those of the file that are not in it, and ``file`` and ``line`` (the line of
        the CSV, from 1 for its header; the place in the list for JSON).

    Raises:
        ValueError: no such file, an empty folder, or columns that fit none of the three kinds.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in (".csv", ".json"))
        if not files:
            raise ValueError(f"no .csv or .json file in {path.name}/: give the folder that holds the exported files")
        return pd.concat([read(file) for file in files], ignore_index=True)
    if not path.is_file():
        raise ValueError(f"no ratings file {path}: give a CSV or JSON file, or a folder of them")
    if path.suffix.lower() == ".json":
        return _read_json(path)
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    frame.insert(0, "line", range(2, len(frame) + 2))
    frame.insert(0, "file", path.name)
    if set(REQUIRED) <= {c.lower() for c in frame.columns}:
        return frame.rename(columns={c: c.lower() for c in frame.columns if c.lower() in COLUMNS})
    if any(_wide_name(c) for c in frame.columns):
        return _melt(frame)
    raise ValueError(
        f"{path.name}: columns {', '.join(frame.columns[2:12])} fit no known kind; expected either the long columns "
        f"{', '.join(REQUIRED)} or wide ones such as r1__predictable"
    )


def _read_json(path: Path) -> pd.DataFrame:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        exports = content if isinstance(content, list) else [content]
        rows = [row for export in exports for row in export["ratings"]]
    except (json.JSONDecodeError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path.name}: not an export of the survey page ({error!r}); it has a list 'ratings'"
        ) from None
    frame = pd.DataFrame(rows).astype(object)
    frame = frame.where(frame.notna(), "").astype(str)
    frame.insert(0, "line", range(1, len(frame) + 1))
    frame.insert(0, "file", path.name)
    return frame


def trace_name(text: str) -> str:
    """A trace type's name as ``TRACE_TYPES`` spells it, where it is a spelling of one; else as given."""
    plain = re.sub(r"[\s-]+", "_", text.strip().lower())
    return SPELLINGS.get(plain, plain)


def _wide_name(column: str) -> tuple[str, str, str] | None:
    """``(problem, trace type, item)`` of a wide column, or None."""
    *problem, kind, item = ["", *column.split("__")] if "__" in column else ["", "", column]
    item = item.strip().lower()
    if re.fullmatch(r"check_[1-5]", item) or (
        trace_name(kind) in TRACE_TYPES and (item in scale_of() or item in ("seconds", "order"))
    ):
        return "__".join(p for p in problem if p), kind, item
    return None


def _melt(frame: pd.DataFrame) -> pd.DataFrame:
    """Wide to long; what belongs to a whole trace (order, page seconds) goes to each of its answers."""
    head = frame.iloc[:2].apply(lambda row: row.astype(str).str.startswith('{"ImportId"').any(), axis=1)
    if head.any():
        frame = frame.iloc[int(head.to_numpy().nonzero()[0][0]) + 1 :]
    lower = {c.lower(): c for c in frame.columns}
    who = next((lower[name] for name in PARTICIPANT if name in lower), None)
    if who is None:
        raise ValueError(f"no participant column; expected one of {', '.join(PARTICIPANT)}")
    names = {c: name for c in frame.columns if (name := _wide_name(c))}
    answers = [c for c, (_, _, item) in names.items() if item not in ("seconds", "order")]
    blocks = []
    for column in answers:
        problem, kind, item = names[column]
        block = frame[[c for c in frame.columns if c not in names and c != who]].assign(
            participant=frame[who], problem=problem, trace_type=kind, item=item, rating=frame[column], column=column
        )
        same_trace = {names[c][2]: c for c in names if names[c][:2] == (problem, kind)}
        block["order"] = frame[same_trace["order"]] if "order" in same_trace else ""
        if "seconds" in same_trace:
            # One time for the page: shared equally among its answers.
            on_page = sum(names[c][:2] == (problem, kind) for c in answers)
            block["seconds"] = pd.to_numeric(frame[same_trace["seconds"]], errors="coerce") / on_page
        elif "duration (in seconds)" in lower:
            block["seconds"] = pd.to_numeric(frame[lower["duration (in seconds)"]], errors="coerce") / len(answers)
        blocks.append(block)
    return pd.concat(blocks, ignore_index=True)
