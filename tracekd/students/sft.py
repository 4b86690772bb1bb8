"""SFT sets: from problem and trace to the tokens that a student sees, and where its loss falls."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tracekd.config import ROOT
from tracekd.data.problem import Problem
from tracekd.data.problems import kept as kept_problems
from tracekd.data.problems import marker as problems_marker
from tracekd.io.records import CODE, hash_of_files, read_jsonl, sha256, write_json, write_jsonl
from tracekd.teacher import run_texts
from tracekd.traces import freeform, natural, templated, templates, training_interventions

log = logging.getLogger(__name__)
CONDITIONS = (*templates.CONDITIONS, *training_interventions.CONDITIONS)
# What a supervised token belongs to; loss curves are split by it. PROMPT is learned ``release_rules`` alone.
TRACE, ANSWER, PROMPT = 1, 2, 3


@dataclass(frozen=True)
class Example:
    """One training example as text, joined to its problem by id.

    Attributes:
        id: the problem's id.
        dataset, condition: which SFT set it belongs to.
        prompt: the user turn.
        target: the assistant turn, without the end token.
        teacher: who wrote the trace: a model's name, ``templated`` for the stand-in, "" where rules wrote its steps or
            there is none.
        seed: of the one student that learns from it, in a natural condition; None: the students of every seed do.
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
    """An example in tokens.

    Attributes:
        id: the problem's id.
        prompt_ids: the chat up to and with the generation prompt; no loss here.
        target_ids: the target and the end token; the loss falls on these, all of them.
        parts: for each target token, ``TRACE`` or ``ANSWER`` (the end token counts as answer).
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

    Args:
        problems: training problems.
        condition: of ``CONDITIONS``, or a free-form one with the suffix ``_as_released``, which teaches the teacher's
            final message; every other condition teaches the gold answer.
        seed: of every draw, together with each problem's id.
        **options: passed on to ``templates.build``, ``freeform.build_all`` (``texts``; without them the templated ones,
            which leave out problems that the rules cannot answer).
    """
    if freeform.takes_texts(condition):
        texts = options.pop("texts", None) or freeform.from_rules(problems, seed)
        made = freeform.build_all(problems, condition, texts, seed=seed, **options)
    elif condition in training_interventions.CONDITIONS:
        made = training_interventions.build_all(problems, condition, seed=seed)
    else:
        made = {p.id: templates.build(p, condition, seed=seed, **options) for p in problems}
    return _examples(problems, condition, made)


def _examples(problems, condition: str, made: Mapping[str, templates.Trace], seed: int | None = None) -> list[Example]:
    return [
        Example(
            p.id, p.dataset, condition, templates.prompt(p), templates.target(p, made[p.id]), made[p.id].teacher, seed
        )
        for p in problems
        if p.id in made
    ]


def prompt_ids(tokenizer, prompt: str, before: Sequence[Mapping[str, str]] = ()) -> list[int]:
    """The tokens of a user turn in the student's chat template, generation prompt included, after the turns ``before``.

    Training and evaluation both begin with exactly these. The template writes the beginning-of-sequence token itself
    where the student has one; nothing is added to it.
    """
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


def encode(example: Example, tokenizer, end: int | None = None) -> Encoded:
    """Tokenise one example: prompt and target apart, so that no token reaches over their border."""
    end = end_token(tokenizer) if end is None else end
    target = tokenizer(example.target, add_special_tokens=False, return_offsets_mapping=True)
    border = example.target.find("</think>") + len("</think>") if "</think>" in example.target else 0
    parts = [TRACE if start < border else ANSWER for start, _ in target.offset_mapping]
    read = tuple(prompt_ids(tokenizer, example.prompt))
    return Encoded(example.id, read, (*target.input_ids, end), (*parts, ANSWER))


def encode_as_published(example: Example, tokenizer, max_tokens: int) -> Encoded:
    """Tokenise one example with the habits of the authors' release (May 2025), for comparison with ``encode``.

    The loss falls on the whole text; the templated text is tokenised as a text once more, so that a beginning-of-
    sequence token stands twice where the tokenizer adds one; what is longer than ``max_tokens`` is cut at its end.
    """
    aligned = encode(example, tokenizer)
    ids = [*aligned.prompt_ids, *aligned.target_ids]
    if tokenizer("x").input_ids[0] == tokenizer.bos_token_id is not None:
        ids = [tokenizer.bos_token_id, *ids]
    parts = [PROMPT] * (len(ids) - len(aligned.target_ids)) + list(aligned.parts)
    # The first token follows from nothing, so no loss can fall on it.
    return Encoded(example.id, tuple(ids[:1]), tuple(ids[1:max_tokens]), tuple(parts[1:max_tokens]))


def encode_all(examples: Sequence[Example], tokenizer, max_tokens: int, habits: str = "aligned") -> list[Encoded]:
    """Tokenise a whole SFT set; nothing is ever cut, unless ``habits`` are ``release_rules``, which says how many were.

    Raises:
        ValueError: an example is longer than ``max_tokens``, has no token to learn, or the set is empty.
    """
    if not examples:
        raise ValueError("the SFT set is empty: raise `train` of the profile in profiles.toml")
    if habits == "as_published":
        encoded = [encode_as_published(example, tokenizer, max_tokens) for example in examples]
        cut = sum(len(e) == max_tokens for e in encoded)
        log.warning("%d of %d examples cut at %d tokens", cut, len(encoded), max_tokens)
        return encoded
    end = end_token(tokenizer)
    encoded = [encode(example, tokenizer, end) for example in examples]
    long = [e for e in encoded if len(e) > max_tokens]
    if long:
        worst = max(long, key=len)
        raise ValueError(
            f"{len(long)} of {len(encoded)} examples are longer than max_tokens = {max_tokens}, the longest "
            f"{worst.id} with {len(worst)}: raise max_tokens in profiles.toml, or leave these problems out"
        )
    if empty := [e.id for e in encoded if len(e.target_ids) < 2]:
        raise ValueError(f"{len(empty)} examples have no token to learn from, first {empty[0]}: their target is empty")
    return encoded


def set_path(run, dataset: str, condition: str) -> Path:
    """Where a run keeps one SFT set."""
    return run.path("sft", dataset, condition, "train.jsonl")


def marker(run) -> dict:
    """What a run's SFT sets follow from: problems, texts, natural traces, sizes, conditions, and the package's code."""
    return {
        "problems": problems_marker(run),
        "texts": sha256(Path(run.texts)) if run.texts else templated.TEACHER,
        "natural": natural.marker(run),
        "train": dict(run.profile.train),
        "conditions": {d: list(run.profile.conditions_of(d)) for d in run.datasets},
        "code": hash_of_files(ROOT / "tracekd", CODE),
    }


def teachers(sets: Mapping[tuple[str, str], Sequence[Example]]) -> dict[tuple[str, str], str]:
    """Who wrote the traces of each (data set, condition) of ``kept`` or ``prepare``; "" where rules wrote the steps."""
    return {key: teacher_of(examples) for key, examples in sets.items()}


def teacher_of(examples: Sequence[Example]) -> str:
    """Who wrote the traces of an SFT set; several are named one after another."""
    return " and ".join(sorted({example.teacher for example in examples} - {""}))


def prepare(run) -> dict[tuple[str, str], list[Example]]:
    """Build and keep the SFT sets of all data sets and trained conditions of a run.

    Only training problems are opened here. Returns ``{(dataset, condition): examples}``; within a data set the
    problems and their order are the same in every condition, but for those that no rule writes a templated trace for.
    """
    marker_path = run.path("sft", "SOURCE.json")
    marker_path.unlink(missing_ok=True)  # written last: its presence means that the sets are whole
    made, problems = {}, kept_problems(run)
    for dataset in run.datasets:
        found = run_texts.texts_of(run, dataset, problems[dataset])
        chosen = run_texts.training_problems(run, dataset, problems[dataset], found)
        for condition in run.profile.conditions_of(dataset):
            if condition in natural.CONDITIONS:
                made[dataset, condition] = _natural(run, dataset, problems[dataset], condition)
            else:
                given = {"texts": found.texts} if found and freeform.takes_texts(condition) else {}
                made[dataset, condition] = build(chosen, condition, seed=run.seed, **given)
            write_jsonl(set_path(run, dataset, condition), map(asdict, made[dataset, condition]))
    write_json(marker_path, marker(run))
    return made


def _natural(run, dataset: str, problems: Sequence[Problem], condition: str) -> list[Example]:
    """The examples of a natural condition, one seed's after another's."""
    seeds = run.profile.seeds
    made = {seed: natural.build_all(run, dataset, problems, condition, seed) for seed in seeds}
    return [e for seed in seeds for e in _examples(problems, condition, made[seed], seed)]


def kept(run) -> dict[tuple[str, str], list[Example]]:
    """The SFT sets that an earlier notebook kept for just this run, else freshly built ones; says which."""
    path = run.path("sft", "SOURCE.json")
    if path.exists() and json.loads(path.read_text()) == marker(run):
        print("SFT sets: as an earlier notebook left them in this run")
        names = [(d, c) for d in run.datasets for c in run.profile.conditions_of(d)]
        return {(d, c): [Example(**row) for row in read_jsonl(set_path(run, d, c))] for d, c in names}
    print("SFT sets: no earlier notebook left any for this source, seed, texts and code, so they are built now")
    return prepare(run)
