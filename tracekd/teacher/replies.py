"""A teacher's replies: read from what an endpoint sends, however it sends it, and judged against gold."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tracekd.data.facts import answer_slot
from tracekd.data.problem import Problem
from tracekd.scoring.aligned import verdict
from tracekd.traces.corruption import same
from tracekd.traces.freeform import clean

_THOUGHT = re.compile(r"<\s*/?\s*think\s*>", re.IGNORECASE)
_CUT = ("length", "max_tokens", "MAX_TOKENS", "model_length")  # in servers' own words
# What ends a clause; the full stop of an initial or a title ends none.
_CLAUSES = re.compile(r"(?<!\b[A-Z])(?<!\b[A-Z][a-z])[.;!?\n]+(?:\s|$)|,?\s+[Bb]ut\s+|\s+instead,?\s+")
_DENIAL_OR_DOUBT = re.compile(
    r"\b(?:not|never|neither|nor|no|none|cannot|without|except|unlike|rather than|instead of|excluded?|excluding|"
    r"ruled? out|incorrect|wrong|could|may(?!\s+\d)|might|maybe|perhaps|possibly|either|unsure|or)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
_FINAL = re.compile(r"\banswer\W{0,4}(?:is)?\s*:\W*", re.IGNORECASE)


class Unanswered(RuntimeError):
    """One request brought no whole reply; the message says why in a few words, the same for the same cause."""


@dataclass(frozen=True)
class Reply:
    """A whole reply, without tags: what the teacher thought ("" where it does not show it), and what it said."""

    reasoning: str
    text: str


def own_words(raw: str) -> str:
    """What a server said in an error: its message where it is JSON, else the text, at most 200 characters of it."""
    try:
        data = json.loads(raw)
        error = data.get("error") or data.get("detail") or data.get("message") or data
        said = error.get("message") or error if isinstance(error, dict) else error
    except (ValueError, AttributeError, RecursionError):
        said = raw
    return " ".join(str(said).split())[:200] or "nothing"


def read(raw: str, count: Callable[[int, int], None] = lambda *_: None) -> Reply:
    """Read the body of an answer with status 200.

    Reasoning is what the endpoint gives as ``reasoning_content`` or ``reasoning``, or what stands before ``</think>``.
    A reply that may have cost money is counted by ``count(tokens_in, tokens_out)``, cut or whole.

    Raises:
        Unanswered: it is no reply, or not a whole one.
    """
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Unanswered(f"not JSON: {own_words(raw)[:60]}") from error
    choices = data.get("choices") if isinstance(data, dict) else None
    if not (isinstance(choices, list) and choices and isinstance(choices[0], dict)):
        error = isinstance(data, dict) and data.get("error")
        raise Unanswered(f"an error in place of a reply: {own_words(raw)}" if error else "a reply without choices")
    usage = data["usage"] if isinstance(data.get("usage"), dict) else {}
    tokens = (usage.get(name) for name in ("prompt_tokens", "completion_tokens"))
    count(*(n if isinstance(n, int) and n >= 0 else 0 for n in tokens))
    ended, message = choices[0].get("finish_reason"), choices[0].get("message")
    if ended in _CUT:
        raise Unanswered("cut at the limit of tokens: raise --max-tokens")
    if ended == "error" or not isinstance(message, dict):
        raise Unanswered("a reply that ended in an error" if ended == "error" else "a reply without message")
    if ended == "content_filter" or message.get("refusal"):
        raise Unanswered(f"refused: {str(message.get('refusal') or 'content filter')[:60]}")
    return _parted(message)


def _parted(message: dict[str, Any]) -> Reply:
    """Reasoning and reply of a message; an empty thought before the real one is none."""
    thought = _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
    head, text = "", _text(message.get("content"))
    if marks := list(_THOUGHT.finditer(text)):
        if "/" not in marks[-1][0]:
            raise Unanswered("a reply that ends within its reasoning")
        head, text = text[: marks[-1].start()], text[marks[-1].end() :]
    reasoning, text = clean(thought) or clean(head), clean(text)
    if not text:
        raise Unanswered("an empty reply")
    return Reply(reasoning, text)


def _text(value: Any) -> str:
    """Text of a message's field, which may be a string, parts with a ``text``, or nothing; half characters go."""
    if isinstance(value, list):
        return "".join(_text(part.get("text") if isinstance(part, dict) else part) for part in value)
    return value.encode("utf-8", "ignore").decode() if isinstance(value, str) else ""


def right(problem: Problem, reply: str) -> bool:
    """Whether a reply answers right: by the verdict on outputs, else as a careful reader takes its prose.

    Prose is right where it affirms every gold answer (MS MARCO: one of the alternatives), in a clause that neither
    denies nor doubts it, and affirms no other answer that the context offers. Where it ends in "Answer: ...", what
    follows counts alone. Names that are part of the question or of a gold answer do not count against it.
    """
    tail = reply[list(_FINAL.finditer(reply))[-1].end() :].strip(" *_`\n") if _FINAL.search(reply) else ""
    if any(verdict(problem, text)["answer_correct"] for text in (reply, tail) if text):
        return True
    reply, gold = tail or reply, [same(answer) for answer in problem.answers]
    affirmed = [same(clause) for clause in _affirmed(reply, problem.answers)]
    named = [any(_in(answer, clause) for clause in affirmed) for answer in gold]
    if not (any(named) if problem.dataset == "marco" else all(named)) or not named:
        return False
    if problem.dataset != "marco" and any(_lists_more(clause, gold) for clause in _CLAUSES.split(reply)):
        return False
    asked = same(problem.question)
    others = (o for o in _rivals(problem, gold) if not _in(o, asked) and not any(_in(o, answer) for answer in gold))
    return not any(_in(other, clause) for other in others for clause in affirmed)


def _affirmed(reply: str, answers: Sequence[str]) -> Iterator[str]:
    """The clauses of a reply that neither deny nor doubt; a word of a gold answer ("no") is no denial."""
    own = re.compile("|".join(rf"\b{re.escape(answer)}\b" for answer in answers if answer) or r"(?!)", re.IGNORECASE)
    for clause in _CLAUSES.split(reply):
        if clause and not _DENIAL_OR_DOUBT.search(own.sub(" ", clause)):
            yield clause


def _lists_more(clause: str, gold: list[str]) -> bool:
    """Whether a clause is, or ends in, a list that has a gold answer as an item and others beside."""
    items = {same(item) for item in re.split(r",|/|\band\b", re.split(r":|\b(?:is|are|was|were)\b", clause)[-1])} - {""}
    return bool(items & set(gold) and items - set(gold)) and all(len(item.split()) <= 4 for item in items)


def _in(name: str, text: str) -> bool:
    return bool(name) and f" {name} " in f" {text} "


def _rivals(problem: Problem, gold: list[str]) -> set[str]:
    """Other answers that the context offers: CoTempQA's answer slots, else what stands where a gold answer does."""
    if problem.dataset == "marco":
        return set()
    if triple := problem.meta.get("triple_element"):
        return {same(answer_slot(fact, triple)) for fact in problem.context} - set(gold)
    facts = [same(fact).split() for fact in problem.context]
    before = {fact[i - 1] for fact in facts for i, word in enumerate(fact) if i and word in gold}
    polar = {"yes", "no", "maybe"}
    found = {word for fact in facts for i, word in enumerate(fact) if i and fact[i - 1] in before}
    return (found | (polar if polar & set(gold) else set())) - set(gold)
