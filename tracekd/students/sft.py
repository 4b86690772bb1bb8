"""SFT sets: from problem and trace to the tokens that a student sees, and where its loss falls."""

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
DATE = "26 Jul 2024"  # Llama 3's chat template has a date, by default today's; this is its own where no clock is


@dataclass(frozen=True)
class Example:
    """One training example: prompt is the user turn, target the assistant turn without the end token.

    ``teacher`` wrote the trace: a model, ``templated``, "" for rules; ``seed``: of its only student.
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


def build(problems: Sequence[Problem], condition: str, *, seed: int, texts=None) -> list[Example]:
    """The SFT set of one condition: every problem once, its right answer, and the condition's trace.

    All draws follow from ``seed`` and each problem's id. ``texts``: a teacher's, else rules write what they can.
    """
    if freeform.takes_texts(condition):
        made = freeform.build_all(problems, condition, texts or freeform.from_rules(problems, seed), seed=seed)
    else:
        made = templates.build_all(problems, condition, seed=seed)
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
    options = {"add_generation_prompt": True, "tokenize": True, "return_dict": False, "date_string": DATE}
    return list(tokenizer.apply_chat_template(chat, **options))


def end_token(tokenizer) -> int:
    """The token after an assistant turn's content; ValueError if there is none, or the pad, which no student learns."""
    mark = "ANSWER-GOES-HERE"
    chat = [{"role": "user", "content": "?"}, {"role": "assistant", "content": mark}]
    text = tokenizer.apply_chat_template(chat, tokenize=False, date_string=DATE)
    after = tokenizer(text[text.rindex(mark) + len(mark) :], add_special_tokens=False).input_ids
    if not after or after[0] == tokenizer.pad_token_id:
        raise ValueError(
            f"the chat template of {tokenizer.name_or_path!r} ends an answer with "
            f"{tokenizer.decode(after[:1])!r}, which is no end token apart from the pad {tokenizer.pad_token!r}"
        )
    return after[0]


def encode(example: Example, tokenizer, cut: int | None = None) -> Encoded:
    """Tokenise one example: prompt and target apart, so that no token reaches over their border.

    ``cut``: at so many tokens, as in the release (May 2025): loss on the whole text, a first token there twice.
    """
    target = tokenizer(example.target, add_special_tokens=False, return_offsets_mapping=True)
    border = example.target.find("</think>") + len("</think>") if "</think>" in example.target else 0
    parts = [TRACE if start < border else ANSWER for start, _ in target.offset_mapping]
    read = prompt_ids(tokenizer, example.prompt)
    learned, parts = [*target.input_ids, end_token(tokenizer)], [*parts, ANSWER]
    if cut:
        if tokenizer("x").input_ids[0] == tokenizer.bos_token_id is not None:
            read = [tokenizer.bos_token_id, *read]
        # The first token follows from nothing, so no loss can fall on it.
        parts = [*[PROMPT] * (len(read) - 1), *parts][: cut - 1]
        read, learned = read[:1], [*read[1:], *learned][: cut - 1]
    return Encoded(example.id, tuple(read), tuple(learned), tuple(parts))


def encode_all(examples: Sequence[Example], tokenizer, max_tokens: int, habits: str = "aligned") -> list[Encoded]:
    """Tokenise an SFT set; ValueError if it is empty or an example too long, which ``as_published`` cuts and counts."""
    if not examples:
        raise ValueError("the SFT set is empty: raise `train` of the profile in profiles.toml")
    published = habits == "as_published"
    encoded = [encode(example, tokenizer, max_tokens if published else None) for example in examples]
    worst = max(encoded, key=len)
    if published:
        cut = sum(len(e) == max_tokens for e in encoded)
        log.warning("%d of %d examples cut at %d tokens", cut, len(encoded), max_tokens)
    elif len(worst) > max_tokens:
        raise ValueError(
            f"an example is longer than max_tokens = {max_tokens}, the longest {worst.id} with {len(worst)}: "
            "raise max_tokens in profiles.toml, or leave these problems out"
        )
    return encoded


def too_long(what: str, rows: Iterable[tuple], student: str, limit: int, share: float, key: str) -> set[str]:
    """Print and return the ids of (id, prompt, target) over ``limit`` tokens; ValueError if over ``share`` are."""
    tokenizer, lengths = registry.load_tokenizer(student), {}
    for name, prompt, target in rows:
        tokens = prompt_ids(tokenizer, prompt) + tokenizer(target, add_special_tokens=False).input_ids
        lengths[name] = max(len(tokens), lengths.get(name, 0))
    found = [name for name, length in lengths.items() if length > limit]
    if found:
        worst = max(found, key=lengths.get)
        said = f"{what}: {len(found)} of {len(lengths)} problems (the longest, {worst}: {lengths[worst]} tokens)"
        if (left := len(found) / len(lengths)) > share:
            raise ValueError(
                f"{said}. At most {share:.0%} may be left out: change {key} in profiles.toml, or allow more by "
                f"leave_out = {math.ceil(100 * left) / 100:g} in the recipe"
            )
        print(f"{said}; they are left out of every condition")
    return set(found)


def fitting(sets: Sets, student: str, recipe: Recipe) -> Sets:
    """SFT sets without the problems that are ``too_long`` in any condition, so that conditions stay comparable."""
    if recipe.habits == "as_published":
        return sets  # what is too long is cut
    limit, long = recipe.max_tokens, {}
    for dataset in dict.fromkeys(dataset for dataset, _ in sets):
        what = f"{dataset}: training examples of more tokens than max_tokens = {limit}"
        rows = ((e.id, e.prompt, e.target) for key, examples in sets.items() if key[0] == dataset for e in examples)
        # An example has an end token, too.
        long[dataset] = too_long(what, rows, student, limit - 1, recipe.leave_out, "max_tokens")
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
    """Build and store the SFT sets of a run's data sets and trained conditions, from training problems alone.

    Conditions of a set share their problems but for templated traces (some have none) and natural ones (by seed).
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
                examples = build(chosen, condition, seed=run.seed, texts=found and found.texts)
            made[dataset, condition] = examples
            write_jsonl(set_path(run, dataset, condition), map(asdict, examples))
    write_json(marker_path, marker(run))
    return made


def kept(run) -> Sets:
    """The SFT sets that an earlier notebook kept for just this run, else freshly built ones; says which."""
    path = run.path("sft", "SOURCE.json")
    if path.exists() and json.loads(path.read_text()) == marker(run):
        print("SFT sets: those that this run already has")
        names = [(d, c) for d in run.datasets for c in run.profile.conditions_of(d)]
        return {(d, c): [Example(**row) for row in read_jsonl(set_path(run, d, c))] for d, c in names}
    print("SFT sets: no earlier notebook left any for this source, seed, texts and code, so they are built now")
    return prepare(run)


def training_sets(run) -> Sets:
    """The SFT sets that a run trains on: those of ``kept`` without the problems that are too long (``fitting``)."""
    return fitting(kept(run), run.student, run.profile.recipe)
