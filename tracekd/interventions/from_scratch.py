"""GENERATED one-fact problems, the traces that may be taught on them, and a student small enough to train from scratch.

A context says of K people where each went; the question asks for one of them, so one fact is gold. The sentences are
those of bAbI's single-supporting-fact, so the project's rules read them. The taught answer is always right, the taught
trace is one of ``KINDS``. Two layers are the least that look up facts by name (Olsson et al. 2022, arXiv 2209.11895).
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from tracekd import machine
from tracekd.data.problem import Problem
from tracekd.interventions.forced import MASK
from tracekd.scoring.aligned import judge_answer
from tracekd.scoring.reading import read_answers, split_output
from tracekd.traces import templates
from tracekd.traces.templates import Trace

DOTS = "..."  # a word that says nothing
LABEL, CATEGORY = "GENERATED one-fact problems", "single-supporting-fact"
KINDS: Mapping[str, str] = {
    "vanilla": "no trace", "correct": "the right fact", "one_wrong": "one wrong fact of the context",
    "all_wrong": "all wrong facts of the context", "any": "one fact of the context, drawn blind",
    "foreign": "a fact of no context", "filler": "dots, as many as a fact has words here",
    "masked": "the right fact, its answer masked",
    **{f"wrong_{n}": f"one wrong fact in {n}% of the problems, else the right one" for n in (25, 50, 75)},
}  # fmt: skip
# Traces put before an answer, and the kind of each; names as in ``forced.VARIANTS`` where the trace is the same.
FORCED = {
    "gold": "correct", "wrong_facts": "one_wrong", "all_wrong": "all_wrong", "other": "foreign", "masked": "masked",
    "empty": "vanilla",
}  # fmt: skip
VARIANTS = ("own", *FORCED)
# Few words: with 24 people and places the lookup took three times as many steps to form.
PEOPLE = ("Ada", "Ben", "Carla", "Daniel", "Emma", "Fred", "Gina", "Hugo", "John", "Mary", "Sandra", "Tom")
PLACES = ("attic", "barn", "bath", "cellar", "garage", "garden", "gym", "hall", "kitchen", "office", "shop", "zoo")
THINGS = ("apple", "ball", "book", "cup", "football", "hat", "key", "lamp", "milk", "pen", "ring", "rope")
# Tokens: the words that differ between problems; "went to the", full stops and the label carry nothing here.
_MARKS = ("<pad>", "Question", "<think>", "</think>", "<answer>", "</answer>", "took", MASK, DOTS)
WORDS = (*_MARKS, *PEOPLE, *PLACES, *THINGS)
IDS = {word: i for i, word in enumerate(WORDS)}
PAD, OPEN, END = IDS["<pad>"], IDS["<answer>"], IDS["</answer>"]
LONGEST = 96  # tokens of a sequence
BATCH, RATE, WARM_UP, COOL_DOWN = 64, 2e-3, 0.1, 0.2  # examples per step, peak learning rate, shares of the steps


def problems(count: int, facts: int, rng: np.random.Generator, split: str = "train") -> list[Problem]:
    """Draw ``count`` problems of K ``facts``: as many people, each at another place; the gold one at any position.

    ValueError for fewer than two facts, or more than there are people.
    """
    if not 2 <= facts <= len(PEOPLE):
        raise ValueError(f"facts={facts}: expected 2 to {len(PEOPLE)}")
    drawn = []
    for i in range(count):
        # The third draw serves nothing now; without it the recorded students could not be trained again.
        people, places, _ = ([words[j] for j in rng.permutation(len(words))] for words in (PEOPLE, PLACES, THINGS))
        said = [f"{who} went to the {where}." for who, where in zip(people[:facts], places, strict=False)]
        order, asked = rng.permutation(len(said)).tolist(), int(rng.integers(facts))
        name, question = f"babi/{CATEGORY}/one-fact-{split}-{i:05d}", f"Where is {people[asked]}?"
        context, gold = tuple(said[j] for j in order), (order.index(asked),)
        drawn.append(Problem(name, "babi", CATEGORY, context, question, (places[asked],), gold, split))
    return drawn


def trace(problem: Problem, kind: str, rng: np.random.Generator) -> Trace:
    """The trace of one of ``KINDS`` that a student is taught on a problem; ValueError for an unknown kind."""
    if kind in ("vanilla", "filler"):
        return Trace(kind, "") if kind == "vanilla" else Trace(kind, f"{DOTS} {DOTS}")
    facts = stated(problem, kind, rng)
    return Trace(kind, templates.render("babi", CATEGORY, facts), CATEGORY, facts)


def stated(problem: Problem, kind: str, rng: np.random.Generator) -> tuple[str, ...]:
    """The facts that a trace of a kind states, in context order; see ``trace``."""
    if kind.startswith("wrong_"):
        kind = "one_wrong" if 100 * rng.random() < int(kind.removeprefix("wrong_")) else "correct"
    context, gold = " ".join(problem.context), problem.facts
    wrong = [fact for fact in problem.context if fact not in gold]
    masked = [fact.replace(f"{problem.answers[0]}.", f"{MASK}.") for fact in gold]
    if whole := {"correct": gold, "all_wrong": wrong, "masked": masked}.get(kind):
        return tuple(whole)
    absent = [[word for word in words if word not in context] for words in (PEOPLE, PLACES)]
    pools = {"one_wrong": ["{}", wrong], "any": ["{}", problem.context], "foreign": ["{} went to the {}.", *absent]}
    if kind not in pools:
        raise ValueError(f"trace kind {kind!r}: expected one of {', '.join(KINDS)}")
    form, *drawn_from = pools[kind]
    return (form.format(*(pool[rng.integers(len(pool))] for pool in drawn_from)),)


def encode(text: str) -> list[int]:
    """The tokens of a prompt, trace or target: those of its words that are in ``WORDS``, in order."""
    return [IDS[word] for word in re.findall(r"</?(?:think|answer)>|\.\.\.|\w+", text) if word in IDS]


def padded(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """Token ids as a tensor (rows, longest), padded at the end, where no earlier position looks."""
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=PAD)


class Block(nn.Module):
    """Causal attention, then an MLP, each after a layer norm and added to what came in."""

    def __init__(self, width: int, heads: int, smeared: bool):
        """Make weights from torch's current seed; ``smeared``: see ``Student``."""
        super().__init__()
        self.smear = nn.Parameter(torch.zeros(heads, 1, 1)) if smeared else None
        self.heads, self.norms = heads, nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Hidden states (batch, length, width), changed."""
        query, key, value = self.qkv(self.norms[0](hidden)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if self.smear is not None:
            key = key + self.smear.sigmoid() * (F.pad(key[:, :, :-1], (0, 0, 1, 0)) - key)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        hidden = hidden + self.out(mixed.transpose(1, 2).flatten(2))
        return hidden + self.mlp(self.norms[1](hidden))


class Student(nn.Module):
    """A causal transformer over ``WORDS``: two layers of width 64, learned positions, tied embeddings.

    ``smeared`` keys mix in, by a learned share per head, the key of the word before, which is half of a lookup.
    """

    def __init__(self, smeared: bool, width: int = 64):
        """Make weights from torch's current seed."""
        super().__init__()
        self.words, self.places = nn.Embedding(len(WORDS), width), nn.Embedding(LONGEST, width)
        for table in (self.words, self.places):
            nn.init.normal_(table.weight, std=0.2)  # with 0.02 the first layer did not find the word before in time
        self.blocks = nn.Sequential(*(Block(width, 2, smeared) for _ in range(2)))
        self.norm = nn.LayerNorm(width)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits (batch, length, words) of token ids (batch, length)."""
        hidden = self.words(ids) + self.places.weight[: ids.shape[1]]
        return self.norm(self.blocks(hidden)) @ self.words.weight.T


@dataclass(frozen=True)
class Setting:
    """One training."""

    kind: str  # see ``trace``
    facts: int = 5  # K
    seed: int = 121  # of problems, traces, weights and batches
    smeared: bool = True  # see ``Student``
    steps: int = 300  # updates; the learning rate rises over the first tenth of them and falls over the last fifth
    looks: int = 6  # how often the student is asked, evenly spaced, the last time after the last step
    test: int = 100  # problems that it is asked each time, the same ones for every kind and seed
    problems: int = 20_000  # to train on
    version: int = 1  # raise it when a change here changes a record


def examples(problems: Sequence[Problem], kind: str, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and labels (problems, length); -100 on prompt and padding, so the loss falls on trace and answer."""
    prompts = [encode(templates.prompt(p)) for p in problems]
    targets = [encode(templates.target(p, trace(p, kind, rng))) for p in problems]
    ids = padded([[*a, *b] for a, b in zip(prompts, targets, strict=True)])
    asked = torch.arange(ids.shape[1]) < torch.tensor([len(prompt) for prompt in prompts])[:, None]
    return ids, ids.masked_fill(asked | (ids == PAD), -100)


def train(setting: Setting) -> Iterator[tuple[int, float, Student]]:
    """Train one student; after each look's steps yield the step, the loss (nats per token) and the student so far."""
    rng = np.random.default_rng([setting.seed, setting.facts])
    drawn = problems(setting.problems, setting.facts, rng)
    ids, labels = examples(drawn, setting.kind, rng)
    torch.manual_seed(setting.seed)
    student, steps = Student(setting.smeared), setting.steps
    optimiser = torch.optim.AdamW(student.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    warm, fall = max(WARM_UP * steps, 1), max(COOL_DOWN * steps, 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda i: min((i + 1) / warm, 1, (steps - i) / fall))
    looks = {round(steps * (i + 1) / setting.looks) for i in range(setting.looks)}
    for step in range(1, steps + 1):
        rows = torch.from_numpy(rng.integers(len(drawn), size=BATCH))
        logits = student(ids[rows, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), labels[rows, 1:].flatten(), ignore_index=-100)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step in looks:
            yield step, loss.item(), student


@torch.no_grad()
def written(student: Student, starts: Sequence[Sequence[int]], end: int, limit: int) -> list[list[int]]:
    """What the student writes greedily after each start, up to and with the token ``end``, or ``limit`` tokens."""
    made: list[list[int]] = [[] for _ in starts]
    for _ in range(limit):
        going = [i for i, row in enumerate(made) if end not in row]
        if not going:
            break
        rows = [[*starts[i], *made[i]] for i in going]
        last = student(padded(rows))[torch.arange(len(rows)), torch.tensor([len(row) - 1 for row in rows])]
        for i, token in zip(going, last.argmax(-1).tolist(), strict=True):
            made[i].append(token)
    return made


def right_answers(student: Student, problems: Sequence[Problem], forced: Sequence[Mapping[str, str]]) -> dict[str, int]:
    """How many answers are right after the student's own trace and after each of the ``forced`` ones (their texts)."""
    prompts = [encode(templates.prompt(problem)) for problem in problems]
    heads = {"own": written(student, prompts, OPEN, 2 * max(len(p.context) for p in problems) + 6)}
    heads |= {name: [encode(f"<think>{one[name]}</think> <answer>") for one in forced] for name in FORCED}
    right = dict.fromkeys(heads, 0)
    for name, begun in heads.items():
        ends = written(student, [[*prompt, *head] for prompt, head in zip(prompts, begun, strict=True)], END, 3)
        for problem, head, end in zip(problems, begun, ends, strict=True):
            answer = split_output(" ".join(WORDS[i] for i in (*head, *end)), END in end)[2]
            right[name] += judge_answer(problem, read_answers(problem, answer))[0]
    return right


def finished(setting: Setting) -> dict:
    """Train and ask one student on one thread; a JSON-ready record: setting, origin and ``curve``.

    Its looks have ``step``, ``loss`` and, by forced trace, how many of the ``test`` answers are right.
    """
    torch.set_num_threads(1)
    started, rng = time.perf_counter(), np.random.default_rng([0, setting.facts])
    asked = problems(setting.test, setting.facts, rng, "test")
    forced = [{name: trace(problem, kind, rng).text for name, kind in FORCED.items()} for problem in asked]
    curve = [{"step": at, "loss": loss, **right_answers(one, asked, forced)} for at, loss, one in train(setting)]
    about = {"seconds": round(time.perf_counter() - started, 1), "source": LABEL}
    return asdict(setting) | about | {"commit": machine.commit(), "hardware": machine.hardware(), "curve": curve}
