"""Training of the ``from_scratch`` student, and its answers by itself and after given traces."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch.nn import functional as F

from tracekd import machine
from tracekd.data.problem import Problem
from tracekd.interventions import forced, from_scratch
from tracekd.interventions.from_scratch import END, FORCED, IDS, OPEN, PAD, Student, encode, padded
from tracekd.interventions.implied import implied
from tracekd.interventions.variants import Variant
from tracekd.traces import templates

VARIANTS = ("own", *FORCED)
BATCH, RATE, WARM_UP, COOL_DOWN = 64, 2e-3, 0.1, 0.2  # examples per step, peak learning rate, shares of the steps


@dataclass(frozen=True)
class Setting:
    """One training.

    Attributes:
        kind: see ``from_scratch.trace``.
        facts: K.
        seed: of problems, traces, weights and batches.
        smeared: see ``from_scratch.Student``.
        steps: updates; the learning rate rises over the first tenth of them and falls over the last fifth.
        looks: how often the student is asked, evenly spaced, the last time after the last step.
        test: problems that it is asked each time, the same ones for every kind and seed.
        problems, distractors: training problems, and see ``from_scratch.problems``.
        version: raise it when a change here or in ``from_scratch`` changes a record.
    """

    kind: str
    facts: int = 5
    seed: int = 121
    smeared: bool = True
    steps: int = 300
    looks: int = 6
    test: int = 100
    problems: int = 20_000
    distractors: int = 0
    version: int = 1


def examples(problems: Sequence[Problem], kind: str, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and labels (problems, length); -100 on prompt and padding, so the loss falls on trace and answer."""
    prompts = [encode(templates.prompt(p)) for p in problems]
    targets = [encode(templates.target(p, from_scratch.trace(p, kind, rng))) for p in problems]
    ids = padded([[*a, *b] for a, b in zip(prompts, targets, strict=True)])
    asked = torch.arange(ids.shape[1]) < torch.tensor([len(prompt) for prompt in prompts])[:, None]
    return ids, ids.masked_fill(asked | (ids == PAD), -100)


def train(setting: Setting) -> Iterator[tuple[int, float, Student]]:
    """Train one student; after each look's steps yield the step, the loss (nats per token) and the student so far."""
    rng = np.random.default_rng([setting.seed, setting.facts])
    drawn = from_scratch.problems(setting.problems, setting.facts, rng, distractors=setting.distractors)
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


@torch.no_grad()
def replies(student: Student, prompts: list, heads: list, given: Sequence[Variant], problems: Sequence[Problem]):
    """The greedy ``forced.Reply`` to each prompt after each head (tokens); log-probabilities are of the one word."""
    starts = [[*prompt, *head] for prompt, head in zip(prompts, heads, strict=True)]
    last = torch.tensor([len(start) - 1 for start in starts])
    logp = student(padded(starts))[torch.arange(len(starts)), last].log_softmax(-1)
    found = []
    for i, tokens in enumerate(written(student, starts, END, 3)):
        said = given[i].implied.answers
        scored = {} if said is None else {"logp_implied": logp[i, IDS[said[0]]].item(), "n_implied": 1}
        text, gold = from_scratch.decode([*heads[i], *tokens]), logp[i, IDS[problems[i].answers[0]]].item()
        found.append(forced.Reply(text, END in tokens, len(tokens), gold, 1, **scored))
    return found


def ask(student: Student, setting: Setting, problems: Sequence[Problem], given: Sequence[Sequence[Variant]]):
    """The rows of ``forced.row`` after the student's own trace (``none``: without one) and each given one."""
    name = f"from scratch{', smeared keys' if setting.smeared else ''}, {setting.steps} steps"
    about = {"student": name, "dataset": f"{setting.facts} facts", "condition": setting.kind}
    about |= {"seed": setting.seed, "source": from_scratch.LABEL}
    prompts = [encode(templates.prompt(problem)) for problem in problems]
    heads = written(student, prompts, OPEN, 2 * setting.facts + 6)
    own = []
    for problem, head in zip(problems, heads, strict=True):
        text = from_scratch.decode(head).partition("<think>")[2].partition("</think>")[0].strip()
        own.append(Variant("own", text, implied(problem, templates.read(text)[1])))
    found = []
    for variants in (own, *zip(*given, strict=True)):
        if variants is not own:
            heads = [encode(f"<think>{variant.text}</think> <answer>") for variant in variants]
        answers = replies(student, prompts, heads, variants, problems)
        found += [forced.row(*one, about) for one in zip(problems, variants, answers, strict=True)]
    return found


def finished(setting: Setting, rows: bool = False) -> dict:
    """Train and ask one student on one thread; return a JSON-ready record.

    It has the setting; ``curve``: at each look ``step``, ``loss`` and, by forced trace, how many of the ``test``
    answers are right; ``seconds``, ``commit``, ``hardware``; with ``rows`` also those of the last look (``ask``).
    """
    torch.set_num_threads(1)
    started, rng = time.perf_counter(), np.random.default_rng([0, setting.facts])
    asked = from_scratch.problems(setting.test, setting.facts, rng, distractors=setting.distractors, split="test")
    given, curve, last = [from_scratch.given_traces(problem, rng) for problem in asked], [], []
    for step, loss, student in train(setting):
        last = ask(student, setting, asked, given)
        right = Counter(row["variant"] for row in last if row["answer_correct"])
        curve.append({"step": step, "loss": loss, **{name: right[name] for name in VARIANTS}})
    about = {"seconds": round(time.perf_counter() - started, 1), "source": from_scratch.LABEL}
    about |= {"commit": machine.commit(), "hardware": machine.hardware(), "curve": curve}
    return {**asdict(setting), **about, **({"rows": last} if rows else {})}
