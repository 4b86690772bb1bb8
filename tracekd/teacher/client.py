"""``python -m tracekd teacher DATA``: ask an OpenAI-compatible endpoint for traces, summaries and explanations.

The ``openai`` client sends the requests and repeats them. Whole replies are appended to a JSON-lines cache at once; a
run that was killed goes on from there and pays for none of them twice.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracekd.command_line import Parser
from tracekd.data.problem import Problem
from tracekd.data.problems import check_source, datasets_of, load
from tracekd.io.records import append_jsonl, recover_jsonl, sha256
from tracekd.scoring.aligned import verdict
from tracekd.text import fact_set
from tracekd.traces.freeform import Texts, clean, fingerprint, keep
from tracekd.traces.templates import prompt

_SUMMARY = "Summarise the following reasoning in two to four sentences. Add nothing to it.\n\n{trace}"
_EXPLANATION = (
    "{prompt}\n\nThe answer is: {answer}\n\nExplain step by step, from the context alone, why this is the answer."
)
_RETRIES = 4  # of a request, after a lost connection or a status of 408, 409, 429 or 5xx
_IN_A_ROW = 10  # requests that fail with none answered between, before nothing more is asked
_CUT = ("length", "max_tokens", "content_filter", "error")  # ends of a reply that is not whole
_FINAL = re.compile(r"\banswer\W{0,4}(?:is)?\s*:\W*", re.IGNORECASE)


class Unanswered(RuntimeError):
    """One request brought no whole reply; the message says why, the same for the same cause."""


@dataclass
class Teacher:
    """Asks ``model`` at one endpoint (``url`` up to /v1), ``workers`` requests at once, through the file ``cache``.

    ``counts`` has ``asked`` (requests) and ``cached``. A reply longer than ``max_tokens`` is cut, and not used.

    Raises:
        ValueError: no URL, or no model.
    """

    url: str
    model: str
    cache: Path
    key: str = ""
    max_tokens: int = 4096
    temperature: float = 0.0
    workers: int = 4
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Open the cache; a torn last line, left by a kill, is cut off."""
        from openai import OpenAI

        if not (self.url.startswith(("http://", "https://")) and self.model):
            raise ValueError(
                f"url {self.url!r} and model {self.model!r} of a teacher: expected http://... up to /v1 in --url or "
                "TRACEKD_TEACHER_URL, and the model's name there in --model or TRACEKD_TEACHER_MODEL"
            )
        self.cache.parent.mkdir(parents=True, exist_ok=True)
        self._known = {row["key"]: (row["reasoning"], row["reply"]) for row in recover_jsonl(self.cache)}
        self._lock, self._failures = threading.Lock(), 0
        self._client = OpenAI(base_url=self.url, api_key=self.key.strip() or "none", max_retries=_RETRIES)

    def ask(self, text: str) -> tuple[str, str]:
        """Ask one user turn, unless the cache has the reply; see ``read`` for what comes back.

        Raises:
            Unanswered: no whole reply came, or the endpoint has failed too often; the message says why.
        """
        from openai import OpenAIError

        turns = [{"role": "user", "content": text}]
        body = dict(model=self.model, messages=turns, max_tokens=self.max_tokens, temperature=self.temperature)
        key = sha256({"url": self.url, **body})
        with self._lock:
            if key in self._known:
                self.counts["cached"] += 1
                return self._known[key]
            if self._failures >= _IN_A_ROW:
                raise Unanswered(f"not asked: {_IN_A_ROW} requests in a row had failed")
            self.counts["asked"] += 1
        try:
            completion = self._client.chat.completions.create(**body)
        except (OpenAIError, ValueError) as error:  # ValueError: no JSON
            with self._lock:
                self._failures += 1
            raise Unanswered(f"{error}"[:200]) from error
        self._failures = 0
        reply = read(completion)
        with self._lock:
            append_jsonl(self.cache, [{"key": key, "model": self.model, "reasoning": reply[0], "reply": reply[1]}])
            self._known[key] = reply
        return reply


def read(completion: Any) -> tuple[str, str]:
    """Reasoning and reply of a chat completion as the ``openai`` client gives it, without tags.

    Reasoning is ``reasoning_content`` or ``reasoning`` of the message, else what stands before ``</think>``, else "".

    Raises:
        Unanswered: it is no reply, or not a whole one.
    """
    try:
        ended, message = completion.choices[0].finish_reason, completion.choices[0].message
        content = message.content if isinstance(message.content, str) else ""
    except (AttributeError, IndexError, TypeError) as error:
        raise Unanswered(f"no reply but {getattr(completion, 'error', None) or completion}"[:200]) from error
    if ended in _CUT:
        raise Unanswered(f"a reply that ended in {ended!r} (too long: raise --max-tokens)")
    head, _, text = content.rpartition("</think>")
    if "<think>" in text:
        raise Unanswered("a reply that ends within its reasoning")
    thought = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None) or head
    # JSON can hold half a character, which no file can.
    reasoning, text = (clean(str(part)).encode("utf-8", "ignore").decode() for part in (thought, text))
    if not text:
        raise Unanswered("an empty reply")
    return reasoning, text


def right(problem: Problem, reply: str) -> bool:
    """Whether a reply, or what follows its last "Answer:", is right by the verdict on outputs, or lists gold alone.

    An answer in prose is not taken: its problem is left out, and counted as wrong.
    """
    final = _FINAL.split(reply)[-1].strip(" *_`\n")
    listed = fact_set(re.split(r"[,;\n]|\band\b", final))
    return listed == fact_set(problem.answers) or any(verdict(problem, t)["answer_correct"] for t in (reply, final))


def collect(problems: Sequence[Problem], teacher: Teacher) -> tuple[list[Texts], dict[str, Any]]:
    """Ask for trace, summary and explanation of every problem; keep those that the teacher answers right.

    Returns:
        The texts, in the order of ``problems``, and counts: ``right``, ``wrong`` and ``failed`` (no whole reply) add up
        to ``problems``; ``reasons`` counts the failures by reason, and the next run asks these again.
    """
    from tqdm import tqdm

    with ThreadPoolExecutor(teacher.workers) as pool:
        made = pool.map(lambda problem: _one(problem, teacher), problems)
        results = list(tqdm(made, total=len(problems), desc=teacher.model, unit="problem", mininterval=1))
    texts = [result for result in results if isinstance(result, Texts)]
    reasons = Counter(result for result in results if isinstance(result, str) and result)
    counts = {"right": len(texts), "wrong": results.count(""), "failed": reasons.total(), "reasons": dict(reasons)}
    return texts, {"problems": len(problems), **counts, **teacher.counts}


def _one(problem: Problem, teacher: Teacher) -> Texts | str:
    """One problem's texts; "" where the teacher is wrong, else why it failed."""
    try:
        reasoning, said = teacher.ask(prompt(problem))
        if not right(problem, said):
            return ""
        trace, answer = reasoning or said, ", ".join(problem.answers)
        _, summary = teacher.ask(_SUMMARY.format(trace=trace))
        _, explanation = teacher.ask(_EXPLANATION.format(prompt=prompt(problem), answer=answer))
    except Unanswered as error:
        return str(error)
    return Texts(problem.id, teacher.model, trace, summary, explanation, fingerprint(problem), said)


def main(argv: list[str]) -> int:
    """Ask, write the texts and print the counts as JSON; 1 where a problem failed."""
    example = "python -m tracekd teacher ../shared/data --limit 20 --url http://localhost:8000/v1 --model NAME --go"
    made, env = Parser("teacher", __doc__.splitlines()[0], example), os.environ.get
    add = made.add_argument
    add("data", metavar="DATA", help="generated, hub, a folder, or a file of your own problems")
    add("--dataset", default="cotempqa", help="which set of DATA; its training problems are asked")
    add("--out", type=Path, default="runs/teacher/texts.jsonl", help="texts of problems answered right")
    add("--limit", type=int, help="only the first so many problems")
    add("--url", default=env("TRACEKD_TEACHER_URL", ""), help="up to /v1 (else TRACEKD_TEACHER_URL)")
    add("--model", default=env("TRACEKD_TEACHER_MODEL", ""), help="its name (else TRACEKD_TEACHER_MODEL)")
    add("--max-tokens", type=int, default=4096, help="a longer reply is not used (default: 4096)")
    add("--temperature", type=float, default=0.0, help="of sampling (default: 0)")
    add("--workers", type=int, default=4, help="requests at once (default: 4)")
    add("--go", action="store_true", help="ask; without it only the number of requests is printed")
    options = made.parse_args(argv)
    for name in ("limit", "max_tokens", "workers"):
        if (value := getattr(options, name)) is not None and value < 1:
            raise ValueError(f"--{name.replace('_', '-')} {value}: expected 1 or more")
    given = {name: getattr(options, name) for name in ("url", "model", "max_tokens", "temperature", "workers")}
    cache, key = options.out.with_name("cache.jsonl"), env("TRACEKD_TEACHER_KEY", "")
    teacher = Teacher(**given, cache=cache, key=key)
    source = check_source(options.data)
    dataset = options.dataset if len(datasets_of(source)) > 1 else datasets_of(source)[0]
    problems = [p for p in load(dataset, source) if p.split == "train"][: options.limit]
    if not options.go:
        words = sum(len(prompt(p).split()) for p in problems)
        print(f"{len(problems)} problems with {words:,} words: up to {3 * len(problems)} requests; --go asks them")
        return 0
    texts, counts = collect(problems, teacher)
    keep(options.out, texts)
    print(json.dumps({"written": str(options.out), **counts}, ensure_ascii=False))
    return 1 if counts["failed"] else 0
