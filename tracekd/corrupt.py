"""Corruption: a wrong label and wrong facts for a problem, wrong in content and, by default, in nothing else.

``matched`` (the default) keeps the form: the same list literal, the same number of facts in context order, near-equal
in length, words, digits, punctuation and capitals. Facts come from the problem's own context and never equal a gold
fact (compared lower-cased, without punctuation, so a repeated sentence of bAbI counts as the same one).

* CoTempQA, bAbI, own sets: the closest of 64 random choices, making up for the label's length; a label with as many
  hyphens as the gold one, drawn by the labels' frequency in the set, and among labels that have training problems.
* MS MARCO: the gold passages' partners in a permutation of the context by form, and a label drawn so that wrong
  labels have the shares of right ones, as far as DESCRIPTION with more than half allows: every other label becomes
  DESCRIPTION. The closest choice would be worse: wrong passages would be of middling form more often than right ones.
* Where a context has too few facts that are not gold (all of bAbI's positional-reasoning), the missing ones are
  *altered*: a gold fact of this context with one of its words exchanged for another of the same kind.
* Where nothing is gold (an unanswerable MS MARCO question), the right list is empty and the wrong one holds one
  passage: a wrong list is never empty, so here alone the number of facts differs.

``as_published`` follows the release: CoTempQA's wrong facts are one bare string in place of a list, bAbI's are
lower-cased, the label is any other one. What the release did for MS MARCO is not known to us: it is left a list.

What form still tells (``tests/test_verify.py``; accuracy of a logistic regression and of a random forest on counts of
characters, words, capitals, digits, marks and items; 0.5 is chance): generated MS MARCO, answerable, 0.50 and 0.55;
CoTempQA 0.52 and 0.55 (generated), 0.54 and 0.59 (real); bAbI 0.55 and 0.71 (generated), 0.51 and 0.72 (real, every
second problem). bAbI's forest mostly reads content by way of form: sentence length and number of facts follow the
task type, and a wrong label does not go with them. Where the label alone is wrong, and every fact right, it has 0.69
and 0.67; where the facts alone are wrong, 0.57 and 0.59; and where labels are permuted over the right and over the
wrong traces, so that none goes with its facts, 0.57 and 0.61. As all facts come from a story of the right type, no
choice of facts hides this; labels exchanged among look-alike types might, but would give the right label away.
What is left on facts alone (bAbI, and CoTempQA's 0.59) is form: gold facts differ from those that a context offers.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.optimize import linear_sum_assignment

from tracekd.problems import CATEGORIES, Problem
from tracekd.text import normalise as same

STYLES = ("matched", "as_published")
# How often the labels occur in the sets, in the order of ``problems.CATEGORIES``: CoTempQA's four files, MS MARCO's
# published percentages (arXiv 1611.09268), the authors' bAbI train file. Wrong labels follow these shares, so that a
# label's mere frequency tells right from wrong as little as can be.
FREQUENCIES = {
    "cotempqa": (436, 653, 3096, 563),
    "marco": (53.12, 26.12, 8.81, 6.17, 5.78),
    "babi": (200, 200, 1000, 200, 200, 200, 200, 250, 1000, 125, 198),
}
_DRAWS = 64  # random choices of distractors to compare in length; more changes nothing that one can measure

# Words of one kind, so that an altered fact still reads as a fact.
_KINDS = (
    ("left", "right"),
    ("above", "below"),
    ("north", "south", "east", "west"),
    ("bigger", "smaller"),
    ("morning", "afternoon", "evening"),
    ("took", "dropped"),
    ("got", "left"),
    ("hallway", "bathroom", "bedroom", "kitchen", "office", "garden"),
    ("school", "park", "cinema"),
    ("apple", "milk", "football"),
    ("square", "sphere", "rectangle", "triangle"),
    ("suitcase", "chocolate", "container", "chest", "box"),
    ("Mary", "John", "Daniel", "Sandra"),
    ("Bill", "Fred", "Jeff", "Julie"),
)


def generator(seed: int, *names: str) -> np.random.Generator:
    """A numpy generator decided by ``seed`` and names alone, whatever was drawn before."""
    key = ":".join((str(seed), *names)).encode()
    return np.random.default_rng(int.from_bytes(hashlib.sha256(key).digest()[:8], "big"))


def wrong_label(problem: Problem, seed: int = 0, style: str = "matched", labels: Sequence[str] | None = None) -> str:
    """Draw a label other than the gold one.

    Args:
        problem: its category is the gold label.
        seed: see ``traces.build``.
        style: one of ``STYLES``; ``matched`` draws among labels with as many hyphens as the gold one, where there
            are any, in proportion to how often they occur; ``as_published`` draws any other label.
        labels: all labels of the set; by default what the problem's ``meta["labels"]`` lists, separated by ``|`` (a set
            of one's own, or one whose files lack some categories' training problems), else ``problems.CATEGORIES``.
            How often they occur stands in ``meta["label_counts"]`` in the same order, else in ``FREQUENCIES``.

    Raises:
        ValueError: unknown style, or no other label to draw.
    """
    _check(style)
    listed = problem.meta.get("labels", "").split("|")
    labels = labels or (listed if any(listed) else CATEGORIES.get(problem.dataset, ()))
    others = [label for label in labels if label and label != problem.category]
    if not others:
        raise ValueError(
            f"problem {problem.id}: set {problem.dataset!r} knows no label beside {problem.category!r}, so no wrong "
            "one can be drawn: load the set whole, or corrupt='retrieval'"
        )
    rng = generator(seed, problem.id, "label")
    if style == "as_published":
        return others[rng.integers(len(others))]
    others = [label for label in others if label.count("-") == problem.category.count("-")] or others
    counts = _counts(problem, labels)
    if problem.dataset == "marco":
        counts = dict(zip(counts, _exchange(tuple(counts.values())), strict=True))
    gaps = np.array([abs(len(label) - len(problem.category)) for label in others])
    # Among bAbI's long names the closer in length the likelier; elsewhere names are short and alike.
    near = np.exp(-gaps / 2) if problem.dataset == "babi" else 1.0
    weights = near * np.array([counts.get(label, 1) for label in others], dtype=float)
    return others[rng.choice(len(others), p=weights / weights.sum())]


def _counts(problem: Problem, labels: Sequence[str]) -> dict[str, float]:
    """How often each label occurs in the set, as far as it is known; else all alike."""
    if "label_counts" in problem.meta:
        known = zip(problem.meta["labels"].split("|"), map(int, problem.meta["label_counts"].split("|")), strict=True)
    else:
        known = zip(CATEGORIES.get(problem.dataset, ()), FREQUENCIES.get(problem.dataset, ()), strict=True)
    known = dict(known)
    return {label: known.get(label, 1) for label in labels}


def wrong_facts(
    problem: Problem, seed: int = 0, style: str = "matched", label: str | None = None
) -> tuple[str, ...] | str:
    """Draw facts of which none is gold: a tuple, or for ``as_published`` CoTempQA one bare string.

    Args:
        problem: its context is drawn from.
        seed: see ``traces.build``.
        style: one of ``STYLES``.
        label: the label that the trace states, where it is not the gold one: ``matched`` facts make up for the
            difference in length and capitals, so that the whole trace is close to the right one.

    Raises:
        ValueError: unknown style.
    """
    _check(style)
    rng = generator(seed, problem.id, "facts")
    if style == "matched":
        return _matched(problem, rng, label or problem.category)
    pool = distractors(problem) or _altered(problem, 1, rng)
    if problem.dataset == "cotempqa":
        return pool[rng.integers(len(pool))]
    number = min(max(len(problem.evidence), 1), len(pool))
    chosen = tuple(pool[i] for i in sorted(rng.permutation(len(pool))[:number]))
    return tuple(fact.lower() for fact in chosen) if problem.dataset == "babi" else chosen


@lru_cache
def _exchange(shares: tuple[float, ...]) -> tuple[float, ...]:
    """Weights such that drawing another label by weight turns labels with ``shares`` into labels with ``shares``.

    The flow a[i] * a[j] between two labels is symmetric; iterative proportional fitting gives row i the sum shares[i].
    A label of more than half cannot keep its share: the weights then tend to where it takes every other's place.
    """
    target = np.array(shares) / sum(shares)
    weights = target.copy()
    for _ in range(200):
        weights = np.sqrt(weights * target / (weights.sum() - weights))
    return tuple(weights)


def distractors(problem: Problem) -> tuple[str, ...]:
    """The context's facts that are not gold, each once, in context order."""
    gold = {same(fact) for fact in problem.facts}
    kept = {same(fact): fact for fact in reversed(problem.context) if same(fact) not in gold}
    return tuple(reversed(kept.values()))


def _matched(problem: Problem, rng: np.random.Generator, label: str) -> tuple[str, ...]:
    """As many distractors as there are gold facts, in context order; with the label close in form to the right one."""
    pool = distractors(problem)
    number = len(problem.evidence)
    if not number:
        return (pool[rng.integers(len(pool))],) if pool else _altered(problem, 1, rng)
    if len(pool) < number:
        return pool + _altered(problem, number - len(pool), rng)
    if problem.dataset == "marco" and len(set(problem.facts)) == number:
        return _exchanged(problem, pool, rng)
    goal = sum(map(_shape, problem.facts)) + _shape(problem.category) - _shape(label)
    shapes = np.array([_shape(fact) for fact in pool])
    draws = np.array([rng.permutation(len(pool))[:number] for _ in range(_DRAWS)])
    # Lengths count by their share of the whole, digits, marks and capitals one by one: each is as telling.
    scale = np.array([0.2 * goal[0], 0.2 * goal[1], 1, 1, 1])
    gaps = (np.abs(shapes[draws].sum(axis=1) - goal) / scale).sum(axis=1)
    return tuple(pool[i] for i in sorted(draws[gaps.argmin()]))


def _exchanged(problem: Problem, pool: tuple[str, ...], rng: np.random.Generator) -> tuple[str, ...]:
    """The passages' partners in a permutation of the context that moves every passage to one of like form.

    Which passage is gold does not enter where it is one alone. So if any may be gold, over the set the partners have
    exactly the forms that gold passages have. The closest passage has not: it is less often very long or very short.
    """
    items = sorted({*problem.facts, *pool})
    # In units that vary about alike between passages; the seed tilts the costs, so that seeds differ.
    shapes = np.array([_shape(item) for item in items]) / np.array([40, 7, 2, 2, 2])
    costs = np.abs(shapes[:, None] - shapes[None]).sum(axis=2) * rng.uniform(1, 1.5, (len(items), len(items)))
    gold = [items.index(fact) for fact in problem.facts]
    costs[np.ix_(gold, gold)] = np.inf
    np.fill_diagonal(costs, np.inf)
    chosen = {items[i] for i in linear_sum_assignment(costs)[1][gold]}
    return tuple(fact for fact in pool if fact in chosen)


def _shape(text: str) -> np.ndarray:
    """What format shows of a text: characters, words, digits, punctuation marks, capitals."""
    marks = sum(not c.isalnum() and not c.isspace() for c in text)
    return np.array([len(text), len(text.split()), sum(map(str.isdigit, text)), marks, sum(map(str.isupper, text))])


def _altered(problem: Problem, number: int, rng: np.random.Generator) -> tuple[str, ...]:
    """``number`` facts that are gold but for one exchanged word; none equals a fact of the context."""
    taken = {same(fact) for fact in problem.context}
    made = []
    sources = problem.facts or problem.context
    for turn in range(number):
        options = [new for new in alterations(sources[turn % len(sources)]) if same(new) not in taken]
        if not options:
            raise ValueError(f"problem {problem.id}: no fact can be altered: give it a longer context")
        made.append(options[rng.integers(len(options))])
        taken.add(same(made[-1]))
    return tuple(made)


def alterations(fact: str) -> list[str]:
    """All ways to exchange one word of ``fact`` for another of its kind; failing that, two neighbouring words."""
    words = re.split(r"(\W+)", fact)
    found = [
        "".join((*words[:i], other, *words[i + 1 :]))
        for i, word in enumerate(words)
        for kind in _KINDS
        if word in kind
        for other in kind
        if other != word
    ]
    if found:
        return found
    places = [i for i in range(0, len(words) - 2, 2) if words[i] and words[i + 2]]
    return ["".join((*words[:i], words[i + 2], words[i + 1], words[i], *words[i + 3 :])) for i in places]


def _check(style: str) -> None:
    if style not in STYLES:
        raise ValueError(f"style {style!r} is not one of {', '.join(STYLES)}")
