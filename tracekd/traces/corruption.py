"""Wrong traces: a wrong label and wrong facts for a problem, and what stated facts reveal of its answer.

Three kinds, by ``style``:

* ``matched`` (the default): as many facts as gold has, close to these in form. Labels are drawn by ``label_table``.
  Facts are drawn again until they reveal nothing, or as little as the context allows.
* ``uniform``: any other label, and facts at random from those that are not gold.
* ``as_published``: the habits of the release. Any other label; CoTempQA's wrong facts are one bare sentence, bAbI's
  are lower-cased and in random order, and none are stated where all are gold. MS MARCO's habits are not known: a list.

Facts come from the context and never equal a gold fact. Where it has fewer other facts than gold ones, the missing ones
are *altered*: a gold fact with one word exchanged. Seed and the problem's id alone decide every draw.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, combinations, product
from math import comb, prod

import numpy as np
from scipy.optimize import linear_sum_assignment

from tracekd.data.problem import CATEGORIES, Problem
from tracekd.decompose.derive import derive
from tracekd.text import fact_set
from tracekd.text import normalise as same

# What facts that are not gold reveal of the answer, from harmless to worst: a named answer stands among other words.
LEVELS = ("none", "excludes", "names", "derives")
RIGHT = "right"
STYLES = ("matched", "uniform", "as_published")
_DRAWS = 256  # random choices of facts that are compared in form
_ALL = 5000  # up to so many choices, every one is tried before a revealing one is taken
# Words of one kind, so that an altered fact still reads as a fact.
_WORDS = (
    "left right, above below, north south east west, bigger smaller, morning afternoon evening, took dropped, got left,"
    "hallway bathroom bedroom kitchen office garden, school park cinema, apple milk football,"
    "square sphere rectangle triangle, suitcase chocolate container chest box, Mary John Daniel Sandra,"
    "Bill Fred Jeff Julie"
)
_KINDS = [kind.split() for kind in _WORDS.split(",")]


def generator(seed: int, *names: str) -> np.random.Generator:
    """A numpy generator decided by ``seed`` and names alone, whatever was drawn before."""
    key = ":".join((str(seed), *names)).encode()
    return np.random.default_rng(int.from_bytes(hashlib.sha256(key).digest()[:8], "big"))


def wrong_label(problem: Problem, seed: int = 0, style: str = "matched") -> str:
    """A label other than gold, by ``label_table`` for ``matched``, else uniform; ``ValueError`` if there is none."""
    counts = label_counts(problem)
    others = [label for label in counts if label != problem.category]
    if not others:
        words = f"set {problem.dataset!r} has no label beside {problem.category!r} to draw"
        raise ValueError(f"problem {problem.id}: {words}: load the set whole, or corrupt='retrieval'")
    rng = generator(seed, problem.id, "label")
    if style != "matched":
        return others[rng.integers(len(others))]
    weights = np.array(list(counts.values()), dtype=float)  # for a test label that no training problem has
    if problem.category in counts:
        place = list(counts).index(problem.category)
        weights = np.delete(label_table(tuple(counts.values()))[place], place)
    return others[rng.choice(len(others), p=weights / weights.sum())]


def label_counts(problem: Problem) -> dict[str, int]:
    """The labels of the problem's set with their counts among its training problems, 1 each where none are known."""
    meta, labels = problem.meta, CATEGORIES.get(problem.dataset, ())
    labels = meta["labels"].split("|") if "labels" in meta else labels
    counts = meta["label_counts"].split("|") if "label_counts" in meta else [1] * len(labels)
    return dict(zip(labels, map(int, counts), strict=True))


@lru_cache
def label_table(counts: tuple[int, ...]) -> np.ndarray:
    """The chance of each wrong label (columns) for each gold label (rows): the least information with gold's shares.

    It is w[i] * w[j] off the diagonal, w by iterative proportional fitting; uniform where one label has over half.
    """
    target = np.array(counts, dtype=float) / sum(counts)
    weights = np.ones(len(target)) if target.max() > 0.5 else target
    for _ in range(1000 if target.max() <= 0.5 else 0):
        weights = np.sqrt(weights * target / (weights.sum() - weights))
    table = np.tile(weights, (len(target), 1))
    np.fill_diagonal(table, 0)
    return table / np.maximum(table.sum(axis=1, keepdims=True), np.finfo(float).tiny)


def reveals(problem: Problem, facts: Sequence[str] | None) -> str:
    """What stated facts (None: none are) reveal: ``right`` (they are gold), else the worst of ``LEVELS`` that holds."""
    if facts is None:
        return "none"
    if problem.facts and fact_set(facts) == fact_set(problem.facts):
        return RIGHT
    tests = {"derives": derives, "names": names, "excludes": excludes}
    return next((level for level, holds in tests.items() if holds(problem, facts)), "none")


def excludes(problem: Problem, facts: Sequence[str]) -> bool:
    """Whether the context without the stated facts is exactly the gold facts; False where nothing is gold."""
    gold = fact_set(problem.facts)
    return bool(gold) and fact_set(problem.context) - fact_set(facts) == gold


def names(problem: Problem, facts: Sequence[str]) -> bool:
    """Whether a gold answer stands as whole words in a stated fact; MS MARCO: a reference text as a whole."""
    stated = [f" {same(fact)} " for fact in facts]
    return any(f" {answer} " in fact for answer in fact_set(problem.answers) for fact in stated)


def derives(problem: Problem, facts: Sequence[str]) -> bool:
    """Whether the rules get a gold answer from the stated facts in place of the context (CoTempQA and bAbI)."""
    if problem.dataset not in ("cotempqa", "babi") or not facts:  # the rules of the others give no answer
        return False
    # Facts of the context in its spelling and order, since a student sees the context, too; then the others.
    stated, known = fact_set(facts), fact_set(problem.context)
    read = [fact for fact in problem.context if same(fact) in stated] + [f for f in facts if same(f) not in known]
    return not fact_set(problem.answers).isdisjoint(_derived(problem.dataset, problem.question, tuple(read)))


@lru_cache(maxsize=1 << 15)
def _derived(dataset: str, question: str, facts: tuple[str, ...]) -> frozenset[str]:
    return fact_set(derive(Problem("", dataset, "", facts, question, (), (), "test")).answers)


def drawn_reveals(problem: Problem, seed: int = 121) -> str:
    """What the wrong facts drawn by default reveal (``LEVELS``); "" where a context allows none."""
    try:
        return reveals(problem, wrong_facts(problem, seed))
    except ValueError:
        return ""


def wrong_facts(problem: Problem, seed: int = 0, style: str = "matched") -> tuple[str, ...] | str:
    """Facts of which none is gold (CoTempQA ``as_published``: one bare string); ValueError for too short a context."""
    rng, pool, number = generator(seed, problem.id, "facts"), distractors(problem), max(len(problem.evidence), 1)
    if style == "as_published":
        chosen = tuple(pool[i] for i in rng.permutation(len(pool))[:number])
        if problem.dataset == "cotempqa" and chosen:
            return chosen[0]
        return tuple(fact.lower() for fact in chosen) if problem.dataset == "babi" else chosen
    if len(pool) < number:
        choices = _with_altered(problem, pool, number, rng)
        # All other facts are stated, so the gold ones follow by exclusion, whatever is altered.
        return next(choices) if style == "uniform" else _least_revealing(problem, choices, "excludes")
    if style == "uniform":
        return tuple(pool[i] for i in sorted(rng.permutation(len(pool))[:number]))
    return _least_revealing(problem, _close_in_form(problem, pool, number, rng))


def distractors(problem: Problem) -> tuple[str, ...]:
    """The context's facts that are not gold, each once, in context order."""
    gold = {same(fact) for fact in problem.facts}
    others = {same(fact): fact for fact in reversed(problem.context) if same(fact) not in gold}
    return tuple(reversed(others.values()))


def _least_revealing(problem: Problem, choices: Iterable[tuple[str, ...]], least: str = "none") -> tuple[str, ...]:
    """The first choice that reveals no more than ``least``; where none does, the first of those that reveal least."""
    tried = []
    for facts in choices:
        tried.append((LEVELS.index(reveals(problem, facts)), facts))
        if tried[-1][0] <= LEVELS.index(least):
            return facts
    return min(tried, key=lambda level_and_facts: level_and_facts[0])[1]


def _close_in_form(problem: Problem, pool: tuple[str, ...], number: int, rng) -> Iterator[tuple[str, ...]]:
    """Choices of ``number`` facts of ``pool``: those that name no answer and are close in form to gold come first."""
    clean = tuple(fact for fact in pool if not names(problem, (fact,)))
    if problem.dataset == "marco" and len(set(problem.facts)) == number:
        yield _exchanged(problem, pool, clean, rng)
    for part in (clean, pool) if len(clean) < len(pool) else (pool,):
        if len(part) >= number:
            yield from _closest(part, number, problem.facts, rng)
    if _DRAWS < comb(len(pool), number) <= _ALL:
        yield from combinations(pool, number)


def _closest(pool: tuple[str, ...], number: int, gold: tuple[str, ...], rng) -> Iterator[tuple[str, ...]]:
    """Choices of facts, all where they are few, else random ones; those with forms like those of gold facts first."""
    if comb(len(pool), number) <= _DRAWS:
        draws = rng.permutation(np.array(list(combinations(range(len(pool)), number))))
    else:
        draws = np.sort(rng.random((_DRAWS, len(pool))).argsort(axis=1)[:, :number], axis=1)
    distances = np.zeros(len(draws))
    if gold:
        goal, shapes = sum(map(shape, gold)), np.array([shape(fact) for fact in pool])
        # Of eight weightings tried on real CoTempQA, a form classifier did worst against this one (accuracy 0.538).
        scale = np.array([0.2 * goal[0], 0.1 * goal[1], 0.5, 1, 1])
        distances = (np.abs(shapes[draws].sum(axis=1) - goal) / scale).sum(axis=1)
    for i in np.argsort(distances, kind="stable"):
        yield tuple(pool[k] for k in draws[i])


def _exchanged(problem: Problem, pool: tuple[str, ...], clean: tuple[str, ...], rng) -> tuple[str, ...]:
    """The passages' partners in a permutation of the context that moves every passage to one of like form.

    Over the set the partners then have the forms that gold passages have. One that names an answer is the last choice.
    """
    items = sorted({*problem.facts, *pool})
    # In units that vary about alike between passages; the seed tilts the costs, so that seeds differ.
    shapes = np.array([shape(item) for item in items]) / np.array([40, 7, 2, 2, 2])
    costs = np.abs(shapes[:, None] - shapes[None]).sum(axis=2) * rng.uniform(1, 1.5, (len(items), len(items)))
    gold = [items.index(fact) for fact in problem.facts]
    costs[np.ix_(gold, [items.index(fact) for fact in pool if fact not in clean])] += 1e6
    costs[np.ix_(gold, gold)] = np.inf
    np.fill_diagonal(costs, np.inf)
    chosen = {items[i] for i in linear_sum_assignment(costs)[1][gold]}
    return tuple(fact for fact in pool if fact in chosen)


def shape(text: str) -> np.ndarray:
    """What format shows of a text: characters, words, digits, punctuation marks, capitals."""
    marks = sum(not c.isalnum() and not c.isspace() for c in text)
    return np.array([len(text), len(text.split()), sum(map(str.isdigit, text)), marks, sum(map(str.isupper, text))])


def _with_altered(problem: Problem, pool: tuple[str, ...], number: int, rng) -> Iterator[tuple[str, ...]]:
    """All of ``pool`` with altered facts to make up ``number``; none of these equals a fact of the context."""
    taken, sources = {same(fact) for fact in problem.context}, problem.facts or problem.context
    made = [_alterations(sources[turn % len(sources)], taken) for turn in range(number - len(pool))]
    # An exchange may be what another fact says already, or the same for two facts: then two words change places.
    for options in ([one or other for one, other in made], [one + other for one, other in made]):
        options = [[facts[i] for i in rng.permutation(len(facts))] for facts in options]
        draws = (tuple(part[rng.integers(len(part))] for part in options) for _ in range(_DRAWS if all(options) else 0))
        every = product(*options) if prod(map(len, options)) <= _ALL else ()
        different = (facts for facts in chain(draws, every) if len({same(fact) for fact in facts}) == len(facts))
        if first := next(different, None):
            yield from ((*pool, *facts) for facts in chain([first], different))
            return
    raise ValueError(f"problem {problem.id}: no fact can be altered: give it a longer context")


def _alterations(fact: str, taken: set[str]) -> tuple[list[str], list[str]]:
    """All ways to exchange one word for another of its kind, and two neighbouring words; none of them ``taken``."""
    words = re.split(r"(\W+)", fact)
    exchanged = [
        [*words[:i], other, *words[i + 1 :]]
        for i, word in enumerate(words) for kind in _KINDS if word in kind for other in kind if other != word
    ]  # fmt: skip
    swapped = [
        [*words[:i], words[i + 2], words[i + 1], words[i], *words[i + 3 :]]
        for i in range(0, len(words) - 2, 2) if words[i] and words[i + 2]
    ]  # fmt: skip
    one, other = (["".join(made) for made in part] for part in (exchanged, swapped))
    return tuple([text for text in part if same(text) not in taken] for part in (one, other))
