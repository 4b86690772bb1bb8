"""Read an output as a careful reader would: where its trace and its answer stand, whoever wrote it."""

import re

from tracekd.data.problem import Problem
from tracekd.text import FENCE, marked_lines, normalise, quoted_list, read_list, unescaped, unfenced, unquoted_list
from tracekd.traces.templates import read

# A chat template's role word, before a line end, a colon or a tag alone: "assistant coach" is an answer.
_ROLE = re.compile(r"\A\s*(?:assistant|model)[ \t]*(?::|\r?\n|(?=<)|\Z)", re.IGNORECASE)
# "Answer:", "**Answer:**", "### Final answer:", "The answer is:" at the beginning of an answer text.
LEAD = re.compile(
    r"\A[\s>#*_]*(?:the\s+)?(?:(?:final|correct)\s+)?answer[*_]*(?:\s+is)?\s*(?::[*_]*|[*_]+:)[ \t]*[*_]*"
    r"|\A\s*(?:#+ *|\*\*)(?:final\s+)?answer(?:\*\*)? *\n",  # or as a heading
    re.IGNORECASE,
)
# In what follows a trace, a sentence may lead to it: "So the final answer: X"; the last one counts.
_LEAD_AFTER_TRACE = re.compile(r".*\banswer\b[*_]*(?:\s+is)?\s*:[*_]*", re.DOTALL | re.IGNORECASE)
# Tags in any spelling: < think >, <THINK>, <thinking>.
_TAG_FORMS = re.compile(r"<\s*(/?)\s*(think|answer)(?:ing)?\s*>", re.IGNORECASE)
_TAG = re.compile(r"</?(?:think|answer)>|</[a-z]{0,6}\Z")  # the last one was cut off
_ANSWER = re.compile(r"<answer>(.*?)(</answer>|(?=<answer>|<think>)|\Z)", re.DOTALL)
_TURN = re.compile(  # the end of a turn, or the header of one with its role
    r"<[|｜](?:im_end|eot_id|eom_id|end_of_text|endoftext|end|end▁of▁sentence|return|eos)[|｜]>|</s>|<eos>|<end_of_turn>"
    r"|<\|start_header_id\|>\s*\w+\s*<\|end_header_id\|>|(?:<\|im_start\|>|<start_of_turn>)[ \t]*\w+"
    r"|<[|｜](?:User|Assistant|System)[|｜]>",
    re.IGNORECASE,
)
_SPECIAL = re.compile(r"<[|｜][\w▁.-]{1,40}[|｜]>|<s>|<bos>|<pad>|\[/?INST\]", re.IGNORECASE)
# A paragraph that reads as a sentence, after an untagged answer. Possessive: students may loop over line ends.
_PROSE_AFTER = re.compile(
    r"(?s)\n[^\S\n]*+\n\s*+(?![-*+•]\s|\(?\d)(?=[^\n]*?\w\s+\w[^\n]*?\s\w)"
    r"(?:[^\n]*\n(?=\w)){0,2}?[^\n]*[.!?:][*_]*[ \t]*(?:\n.*)?\Z"
)
# Words that no list of single words holds: "the bathroom" is no list of two answers.
_NO_ITEMS = frozenset(["a", "an", "and", "are", "at", "in", "is", "no", "not", "of", "on", "or", "the", "to", "was"])


def split_output(text: str, finished: bool = True) -> tuple[str, str | None, str | None]:
    """Cut an output into status, trace text and answer text; texts that are absent or empty are None.

    The trace is what the last ``<think>...</think>`` before the answer holds, the answer what the last ``<answer>``
    holds that is not empty, else what follows the trace. Only the first turn counts. The status is the first that holds
    of ``truncated`` (not ``finished``), ``no_answer``, ``no_trace``, ``untagged`` (answer without tags), ``ok``.
    """
    text = unescaped(text)
    text = _first_turn(_TAG_FORMS.sub(lambda match: f"<{match[1]}{match[2].lower()}>", text))
    text = FENCE.sub("", text)
    trace, answer, tagged, closed = _parts(text, finished)
    trace = trace.strip() or None if trace else None
    answer = _bare_answer(answer) if answer else None
    if answer and trace and not tagged and (prose := _PROSE_AFTER.search(answer)):
        answer = answer[: prose.start()]
    holds = {"truncated": not finished, "no_answer": answer is None, "no_trace": trace is None}
    holds |= {"untagged": not (tagged and closed), "ok": True}
    return next(status for status in holds if holds[status]), trace, answer


def _first_turn(text: str) -> str:
    """What stands before the first end token or role header that follows an answer; others are taken out."""
    for match in _TURN.finditer(text):
        before, after = text[: match.start()], text[match.end() :].lstrip()
        rest = before.rpartition("</think>")[2]
        in_trace = ("<think>" in rest and "<answer>" not in rest) or after.startswith("</think>")
        said = _TAG.sub("", _SPECIAL.sub("", _TURN.sub("", rest)))
        if not in_trace and _ROLE.sub("", said).strip():
            text = before + ("</answer>" if after.startswith("</answer>") else "")
            break
    return _SPECIAL.sub("", _TURN.sub("\n", text))


def _parts(text: str, finished: bool) -> tuple[str | None, str | None, bool, bool]:
    """Trace text, answer text, whether the answer has its tag, and whether that is closed."""
    text = _ROLE.sub("", text, count=1)
    traces, rest = _traces(text)
    answers = [match for match in _ANSWER.finditer(text) if _untagged(match[1])]
    outside = [m for m in answers if not any(start <= m.start() < end for start, end, _ in traces)]
    if outside or (answers and not _untagged(rest)):
        match = (outside or answers)[-1]
        before = [inner for start, _, inner in traces if start <= match.start()]
        _, tag, unclosed = text[: match.start()].rpartition("</think>")[2].partition("<think>")
        before += [unclosed] if tag else []
        spoken = [_untagged(_ANSWER.sub("", inner)) for inner in before or [inner for *_, inner in traces]]
        return next(filter(None, reversed(spoken)), None), match[1], True, bool(match[2])
    trace = next(filter(None, (_untagged(inner) for *_, inner in reversed(traces))), None)
    if "<think>" in rest:
        before, _, inner = rest.partition("<think>")
        if not finished:
            return trace, before, False, False  # cut off within its trace: what stands there is not yet an answer
        # A chat template that leaves out the trace opens the tag and goes on after an empty line.
        if _untagged(inner) and (read(inner) != (None, None) or not re.match(r"[ \t]*\n\s*\n", inner)):
            return inner, before, False, False
        rest = inner if _untagged(inner) else before
    if trace and (match := _LEAD_AFTER_TRACE.match(rest)):
        rest = rest[match.end() :]
    return trace, rest, False, False


def _traces(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """Start, end and text of every closed trace, and what follows the last ``</think>`` that anything follows."""
    found, place, rest = [], 0, text
    for match in re.finditer("</think>", text):
        part = text[place : match.start()]
        head, tag, inner = part.partition("<think>")
        if tag:
            found.append((place + len(head), match.end(), inner))
        # Without its <think> it closes a trace only where no trace with both tags has been read before it.
        elif not any(_untagged(inner) for *_, inner in found):
            found.append((place, match.end(), part))
        place = match.end()
        if _untagged(text[place:]):
            rest = text[place:]
        elif rest is text:
            rest = ""
    return found, rest


def _untagged(text: str | None) -> str:
    # A tag without its partner is left over from the template, like the role word.
    return _TAG.sub("", text or "").strip()


def _bare_answer(text: str) -> str | None:
    """An answer text without role word, "Answer:", code fences and emphasis around all of it."""
    before, text = None, unfenced(_untagged(text))
    while text != before:
        before = text
        text = unfenced(LEAD.sub("", _ROLE.sub("", text, count=1), count=1))
    return text or None


def read_answers(problem: Problem, text: str | None) -> tuple[str, ...]:
    """The answers in an answer text, as written; those that are empty after normalisation are left out.

    Lists are Python literals, names in square brackets, or lines; for CoTempQA and bAbI also names with semicolons
    between, for bAbI with commas or white space. MS MARCO's free text is a list only as a literal.
    """
    return () if text is None else tuple(item for item in _items(problem, text.strip()) if normalise(item))


def _items(problem: Problem, text: str) -> tuple[str, ...]:
    bare = text.rstrip(". ") if text[:1] in "[({" else text
    if problem.dataset == "marco":
        # Free text may open with a quotation or a bracketed remark.
        return (text[:1] == "[" and quoted_list(bare)) or (text,)
    if (found := quoted_list(bare)) is not None:
        return found
    facts = [f" {normalise(fact)} " for fact in problem.context]
    if found := unquoted_list(bare, lambda name: any(f" {normalise(name)} " in fact for fact in facts)):
        return found
    if text[:1] in "'\"‘“":
        return read_list(text)
    lines = [line for line in text.splitlines() if line.strip()]
    if (found := marked_lines(text)) and len(found) == len(lines):
        return found
    if problem.dataset == "babi":
        parts = tuple(part for line in lines for part in re.split(r"[,;/|&]", line))
        words = text.casefold().split()
        return tuple(words) if len(parts) == 1 and 1 < len(words) < 5 and _NO_ITEMS.isdisjoint(words) else parts
    if problem.dataset == "cotempqa":
        return tuple(part for line in lines for part in line.split(";"))
    return tuple(lines)
