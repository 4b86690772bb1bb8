"""Read ratings files of three kinds into the long format.

Kinds, told apart by their columns: the survey page's own export (CSV or JSON, one file a participant or a folder of
them), plain long tables, and wide ones as Qualtrics writes them (one row a response, columns
``[PROBLEM__]TRACE_TYPE__ITEM``, with ``__seconds`` and ``__order`` in the item's place where known, ``check_K`` for
attention checks; its two extra header rows are skipped). Tables may be CSV of any kind or .xlsx: see ``study_sheet``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd

from tracekd.study import COLUMNS, TRACE_TYPES, scale_of
from tracekd.study_sheet import SUFFIXES, decoded, table

REQUIRED = ("participant", "trace_type", "item", "rating")
# Names of a person go before names of a response, so that one who answered twice is seen.
PARTICIPANT = (
    "participant", "participant_id", "prolific_pid", "prolific id", "participant id", "workerid", "worker_id",
    "externalreference", "externaldatareference", "recipientemail", "responseid", "response id",
)  # fmt: skip
SPELLINGS = {
    "r1_trace": "r1", "r1_traces": "r1", "raw_r1": "r1", "r1_summaries": "r1_summary", "summarized_r1": "r1_summary",
    "summarized_r1_traces": "r1_summary", "r1_explanations": "r1_explanation", "post_hoc": "r1_explanation",
    "decomposed": "correct", "algorithmic": "correct", "correct_trace": "correct",
}  # fmt: skip


def read(path: str | Path) -> pd.DataFrame:
    """Read a ratings file, or every table and JSON file of a folder, as it is; all values are text.

    Returns:
        The columns of the long format, those of the file that are not in it, ``file`` and ``line`` (of the table, from
        1 for its header; the place in the list for JSON), ``column`` (of a wide table) and ``response`` (which of
        the file's responses an answer belongs to; "" where a long table does not say).

    Raises:
        ValueError: no such file, an empty folder, columns that fit none of the three kinds, or see ``study_sheet``.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith((".", "~")))
        if not files:
            raise ValueError(f"no {', '.join(SUFFIXES)} file in {path.name}/: give the folder with the exported files")
        return pd.concat([read(file) for file in files], ignore_index=True).fillna("")
    if not path.is_file():
        raise ValueError(f"no ratings file {path}: give a table or JSON file, or a folder of them")
    if path.suffix.lower() == ".json":
        return _read_json(path)
    frame = table(path)
    if set(REQUIRED) <= {c.lower() for c in frame.columns}:
        long = frame.rename(columns={c: c.lower() for c in frame.columns if c.lower() in COLUMNS})
        if len(set(long.columns)) < long.shape[1]:
            raise ValueError(f"{path.name}: a column of the long format stands twice, in small and capital letters")
        return long
    if any(_wide_name(c) for c in frame.columns):
        return _melt(frame, path.name)
    raise ValueError(
        f"{path.name}: columns {', '.join(frame.columns[2:12])} fit no known kind; expected either the long columns "
        f"{', '.join(REQUIRED)} or wide ones such as r1__predictable"
    )


def _read_json(path: Path) -> pd.DataFrame:
    try:
        content = json.loads(decoded(path))
        exports = content if isinstance(content, list) else [content]
        rows = [{**row, "response": str(i)} for i, export in enumerate(exports) for row in export["ratings"]]
    except (json.JSONDecodeError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(
            f"{path.name}: not an export of the survey page ({error!r}); it has a list 'ratings'"
        ) from None
    frame = pd.DataFrame(rows).astype(object)
    frame = frame.where(frame.notna(), "").astype(str)
    frame = frame.drop(columns=["file", "line"], errors="ignore")
    if missing := [name for name in REQUIRED if name not in frame.columns]:
        raise ValueError(f"{path.name}: no rating has a {missing[0]!r}; each has {', '.join(REQUIRED)}")
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
    if re.fullmatch(r"check_\d+", item) or (
        trace_name(kind) in TRACE_TYPES and (item in scale_of() or item in ("seconds", "order"))
    ):
        return "__".join(p for p in problem if p), kind, item
    return None


def _headers(frame: pd.DataFrame) -> int:
    """How many rows below the names of the columns are headers too: Qualtrics' texts of the questions and its ids."""
    for i, row in enumerate(frame.iloc[:2].drop(columns=["file", "line"]).itertuples(index=False)):
        if any(re.match(r"\{\s*['\"]?ImportId", cell) for cell in row):
            return i + 1
    first = {str(cell).lower() for cell in frame.iloc[0]} if len(frame) else set()
    return int(bool(first & {"start date", "response type", "response id"}))


def _participant(frame: pd.DataFrame, file: str) -> str:
    """The column that names a person: the first known one that is filled in at least half of the rows."""
    lower = {c.lower(): c for c in frame.columns}
    known = [lower[name] for name in PARTICIPANT if name in lower]
    if not known:
        raise ValueError(f"{file}: no participant column; expected one of {', '.join(PARTICIPANT)}")
    return next((c for c in known if frame[c].ne("").mean() >= 0.5), known[0])


def _melt(frame: pd.DataFrame, file: str) -> pd.DataFrame:
    """Wide to long; what belongs to a whole trace (order, page seconds) goes to each of its answers."""
    frame = frame.iloc[_headers(frame) :]
    who = _participant(frame, file)
    names = {c: name for c in frame.columns if (name := _wide_name(c))}
    answers = [c for c, (_, _, item) in names.items() if item not in ("seconds", "order")]
    if not answers:
        raise ValueError(f"{file}: no column holds ratings; expected columns such as r1__predictable")
    more = frame[[c for c in frame.columns if c not in names and c != who and c not in COLUMNS]]
    lower = {c.lower(): c for c in frame.columns}
    blocks = []
    for column in answers:
        problem, kind, item = names[column]
        block = more.assign(
            participant=frame[who], problem=problem, trace_type=kind, item=item, rating=frame[column], column=column
        ).assign(response=frame["line"].astype(str))
        same_trace = {names[c][2]: c for c in names if names[c][:2] == (problem, kind)}
        block["order"] = frame[same_trace["order"]] if "order" in same_trace else ""
        seconds, shared = same_trace.get("seconds"), sum(names[c][:2] == (problem, kind) for c in answers)
        if seconds is None:
            seconds, shared = lower.get("duration (in seconds)"), len(answers)
        if seconds is not None:
            # One time for the page, or for all pages: shared equally among its answers.
            given = frame[seconds].str.replace(",", ".")
            block["seconds"] = (pd.to_numeric(given, errors="coerce") / shared).astype(object).fillna(given)
        blocks.append(block)
    return pd.concat(blocks, ignore_index=True)
