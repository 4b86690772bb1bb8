"""SFT sets: from problem and trace to the tokens that a student sees, and where its loss falls."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tracekd.config import ROOT, Recipe
from tracekd.data.problem import Problem
from tracekd.data.problems import kept as kept_problems
from tracekd.data.problems import marker as problems_marker
from tracekd.io.records import CODE, hash_of_files, read_jsonl, sha256, write_json, write_jsonl
from tracekd.students import registry
from tracekd.teacher import run_texts
from tracekd.traces import freeform, templates

log = logging.getLogger(__name__)
CONDITIONS = (*templates.RULED, *freeform.CONDITIONS)
Sets = dict[tuple[str, str], list["Example"]]  # data set and condition to the SFT set
# What a supervised token belongs to; loss curves are split by it. PROMPT is learned with the habits ``as_published``.
TRACE, ANSWER, PROMPT = 1, 2, 3


@dataclass(frozen=True)
class Example:
    """One training example: prompt is the user turn, target the assistant turn without the end token.

    ``teacher`` wrote the trace: a model, ``templated``, "" for rules. ``seed``: of the one student that learns from it
    (natural conditions); None: all do.
    """

    id: str
    dataset: str
    condition: str
    prompt: str
    target: str
    teacher: str = ""
    seed: int | None = None


@dataclass(frozen=True)
class Encoded:
    """An example in tokens: the chat with the generation prompt; target and end token, which alone carry loss.

    ``parts``: for each target token ``TRACE`` or ``ANSWER`` (with the end token), or ``PROMPT`` as published.
    """

    id: str
    prompt_ids: tuple[int, ...]
    target_ids: tuple[int, ...]
    parts: tuple[int, ...]

    def __len__(self) -> int:
        """Tokens in all."""
        return len(self.prompt_ids) + len(self.target_ids)


def of_seed(examples: Sequence[Example], seed: int) -> list[Example]:
    """The examples of an SFT set that the student of one seed learns from: all, but in a natural condition."""
    return [e for e in examples if e.seed in (None, seed)]


def build(problems: Sequence[Problem], condition: str, *, seed: int, **options) -> list[Example]:
    """The SFT set of one condition: every problem once, its right answer, and the condition's trace.

    A free-form condition with the suffix ``_as_released`` teaches the teacher's final message in place of the gold
    answer. All draws follow from ``seed`` and each problem's id. ``options`` go to ``templates.build`` or
    ``freeform.build_all`` (``texts``; without them rules write, and leave out problems that they cannot answer).
    """
    if freeform.takes_texts(condition):
        texts = options.pop("texts", None) or freeform.from_rules(problems, seed)
        made = freeform.build_all(problems, condition, texts, seed=seed, **options)
    else:
        made = templates.build_all(problems, condition, seed=seed, **options)
    return _examples(problems, condition, made)


def _examples(problems, condition: str, made: Mapping[str, templates.Trace], seed: int | None = None) -> list[Example]:
    return [
        Example(p.id, p.dataset, condition, templates.prompt(p), templates.target(p, trace), trace.teacher, seed)
        for p in problems
        if (trace := made.get(p.id))
    ]


def prompt_ids(tokenizer, prompt: str, before: Sequence[Mapping[str, str]] = ()) -> list[int]:
    """The tokens of a user turn in the student's chat template, with generation prompt, after the turns ``before``."""
    chat = [*before, {"role": "user", "content": prompt}]
    return list(tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=True, return_dict=False))


def end_token(tokenizer) -> int:
    """The token that ends an assistant turn in the student's template: what follows the content there.

    Raises:
        ValueError: the template ends a turn with nothing, or with the pad token, so that an end cannot be learned.
    """
    mark = "ANSWER-GOES-HERE"
    chat = [{"role": "user", "content": "?"}, {"role": "assistant", "content": mark}]
    text = tokenizer.apply_chat_template(chat, tokenize=False)
    after = tokenizer(text[text.rindex(mark) + len(mark) :], add_special_tokens=False).input_ids
    if not after or after[0] == tokenizer.pad_token_id:
        raise ValueError(
            f"the chat template of {tokenizer.name_or_path!r} ends an answer with "
            f"{tokenizer.decode(after[:1])!r}, which is no end token apart from the pad {tokenizer.pad_token!r}"
        )
    return after[0]


def encode(example: Example, tokenizer) -> Encoded:
    """Tokenise one example: prompt and target apart, so that no token reaches over their border."""
    target = tokenizer(example.target, add_special_tokens=False, return_offsets_mapping=True)
    border = example.target.find("</think>") + len("</think>") if "</think>" in example.target else 0
    parts = [TRACE if start < border else ANSWER for start, _ in target.offset_mapping]
    read = tuple(prompt_ids(tokenizer, example.prompt))
    return Encoded(example.id, read, (*target.input_ids, end_token(tokenizer)), (*parts, ANSWER))


def encode_as_published(example: Example, tokenizer, max_tokens: int) -> Encoded:
    """Tokenise one example with the habits of the authors' release (May 2025), for comparison with ``encode``.

    Loss on the whole text; a beginning-of-sequence token twice where the tokenizer adds one; cut at ``max_tokens``.
    """
    aligned = encode(example, tokenizer)
    ids = [*aligned.prompt_ids, *aligned.target_ids]
    if tokenizer("x").input_ids[0] == tokenizer.bos_token_id is not None:
        ids = [tokenizer.bos_token_id, *ids]
    parts = [PROMPT] * (len(ids) - len(aligned.target_ids)) + list(aligned.parts)
    # The first token follows from nothing, so no loss can fall on it.
    return Encoded(example.id, tuple(ids[:1]), tuple(ids[1:max_tokens]), tuple(parts[1:max_tokens]))


def encode_all(examples: Sequence[Example], tokenizer, max_tokens: int, habits: str = "aligned") -> list[Encoded]:
    """Tokenise a whole SFT set; nothing is cut, unless ``habits`` are ``as_published``, which says how many were.

    Raises:
        ValueError: an example is longer than ``max_tokens``, or the set is empty.
    """
    if not examples:
        raise ValueError("the SFT set is empty: raise `train` of the profile in profiles.toml")
    if habits == "as_published":
        encoded = [encode_as_published(example, tokenizer, max_tokens) for example in examples]
        cut = sum(len(e) == max_tokens for e in encoded)
        log.warning("%d of %d examples cut at %d tokens", cut, len(encoded), max_tokens)
        return encoded
    encoded = [encode(example, tokenizer) for example in examples]
    worst = max(encoded, key=len)
    if len(worst) > max_tokens:
        raise ValueError(
            f"an example is longer than max_tokens = {max_tokens}, the longest {worst.id} with {len(worst)}: "
            "raise max_tokens in profiles.toml, or leave these problems out"
        )
    return encoded


def too_long(
    dataset: str, what: str, rows: Iterable[tuple[str, str, str | None]], tokenizer, limit: int, share: float, key: str
) -> set[str]:  # fmt: skip
    """The ids of those (id, prompt, target or None) that take over ``limit`` tokens; prints how many, and ``what``.

    Raises:
        ValueError: they are more than ``share`` of the ids; the message names the setting ``key``.
    """
    ids, found = set(), {}
    for name, prompt, target in rows:
        ids.add(name)
        length = len(prompt_ids(tokenizer, prompt))
        if target is not None:
            length += len(tokenizer(target, add_special_tokens=False).input_ids) + 1
        if length > limit:
            found[name] = max(length, found.get(name, 0))
    if found:
        worst, left = max(found, key=found.get), len(found) / len(ids)
        said = f"{dataset}: {len(found)} of {len(ids)} {what} (the longest, {worst}: {found[worst]})"
        if left > share:
            raise ValueError(
                f"{said}. At most {share:.0%} may be left out: change {key} in profiles.toml, or allow more by "
                f"leave_out = {math.ceil(100 * left) / 100:g} in the recipe"
            )
        print(f"{said}; they are left out of every condition")
    return set(found)


def fitting(sets: Sets, student: str, recipe: Recipe) -> Sets:
    """SFT sets without the problems whose example is longer than ``recipe.max_tokens`` in any condition.

    A problem leaves all conditions of its data set, so that these stay comparable. With the habits ``as_published``
    nothing is left out: what is too long is cut (see ``encode_all``). Errors: see ``too_long``.
    """
    if recipe.habits == "as_published":
        return sets
    tokenizer, limit, long = registry.load_tokenizer(student), recipe.max_tokens, {}
    what = f"training problems have an example longer than max_tokens = {limit}"
    for dataset in dict.fromkeys(dataset for dataset, _ in sets):
        rows = [(e.id, e.prompt, e.target) for key, examples in sets.items() if key[0] == dataset for e in examples]
        long[dataset] = too_long(dataset, what, rows, tokenizer, limit, recipe.leave_out, "max_tokens")
    return {key: [e for e in examples if e.id not in long[key[0]]] for key, examples in sets.items()}


def set_path(run, dataset: str, condition: str) -> Path:
    """Where a run keeps one SFT set."""
    return run.path("sft", dataset, condition, "train.jsonl")


def marker(run) -> dict:
    """What a run's SFT sets follow from: problems, texts, natural traces, sizes, conditions, and the package's code."""
    own = [d for d in run.datasets if freeform.NATURAL.keys() & run.profile.conditions_of(d)]
    wrong = {f"{d}/{s}": freeform.natural_path(run, d, s) for d in own for s in run.profile.seeds}
    return {
        "problems": problems_marker(run),
        "texts": sha256(Path(run.texts)) if run.texts else freeform.TEMPLATED,
        "natural": {name: sha256(path) for name, path in wrong.items() if path.exists()},
        "train": dict(run.profile.train),
        "conditions": {d: list(run.profile.conditions_of(d)) for d in run.datasets},
        "code": hash_of_files(ROOT / "tracekd", CODE),
    }


def teacher_of(examples: Sequence[Example]) -> str:
    """Who wrote the traces of an SFT set; several are named one after another, "" where rules wrote the steps."""
    return " and ".join(sorted({example.teacher for example in examples} - {""}))


def teachers(sets: Sets) -> dict[tuple[str, str], str]:
    """``teacher_of`` each (data set, condition)."""
    return {key: teacher_of(examples) for key, examples in sets.items()}


def prepare(run) -> Sets:
    """Build and store the SFT sets of all data sets and trained conditions of a run, from training problems alone.

    Within a data set the problems and their order are the same in every condition, but for those that no rule writes a
    templated trace for, and in natural conditions, where each seed has its own, one seed's after another's.
    """
    marker_path = run.path("sft", "SOURCE.json")
    marker_path.unlink(missing_ok=True)  # written last: its presence means that the sets are whole
    made = {}
    for dataset, problems in kept_problems(run).items():
        found = run_texts.texts_of(run, dataset, problems)
        chosen = run_texts.training_problems(run, dataset, problems, found)
        for condition in run.profile.conditions_of(dataset):
            if condition in freeform.NATURAL:
                own = {s: freeform.build_natural(run, dataset, problems, condition, s) for s in run.profile.seeds}
                examples = [e for s, traces in own.items() for e in _examples(problems, condition, traces, s)]
            else:
                given = {"texts": found.texts} if found and freeform.takes_texts(condition) else {}
                examples = build(chosen, condition, seed=run.seed, **given)
            made[dataset, condition] = examples
            write_jsonl(set_path(run, dataset, condition), map(asdict, examples))
    write_json(marker_path, marker(run))
    return made


def kept(run) -> Sets:
    """The SFT sets that an earlier notebook kept for just this run, else freshly built ones; says which."""
    path = run.path("sft", "SOURCE.json")
    if path.exists() and json.loads(path.read_text()) == marker(run):
        print("SFT sets: as an earlier notebook left them in this run")
        names = [(d, c) for d in run.datasets for c in run.profile.conditions_of(d)]
        return {(d, c): [Example(**row) for row in read_jsonl(set_path(run, d, c))] for d, c in names}
    print("SFT sets: no earlier notebook left any for this source, seed, texts and code, so they are built now")
    return prepare(run)


def training_sets(run) -> Sets:
    """The SFT sets that a run trains on: those of ``kept`` without the problems that are too long (``fitting``)."""
    return fitting(kept(run), run.student, run.profile.recipe)
