"""A teacher behind any OpenAI-compatible endpoint: reasoning traces, their summaries, post-hoc explanations.

The ``openai`` client talks to it. Base URL, model and key come from arguments or from ``TRACEKD_TEACHER_URL``,
``TRACEKD_TEACHER_MODEL`` and ``TRACEKD_TEACHER_KEY``. Replies that serve are appended to a JSON-lines cache at once; a
run that was killed goes on from there and pays for none of them twice.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracekd.data.problem import Problem
from tracekd.io.records import append_jsonl, recover_jsonl, sha256
from tracekd.teacher.replies import Reply, Unanswered, own_words, read, right
from tracekd.traces.freeform import Texts, fingerprint
from tracekd.traces.templates import prompt

_SUMMARY = "Summarise the following reasoning in two to four sentences. Add nothing to it.\n\n{trace}"
_EXPLANATION = (
    "{prompt}\n\nThe answer is: {answer}\n\nExplain step by step, from the context alone, why this is the answer."
)
_WORDS_TO_TOKENS = 1.4  # English words to tokens, a little above what common tokenizers need
_REPLY_TOKENS = {"trace": 700, "summary": 90, "explanation": 400}  # from the ten real R1 samples, rounded up
_REFUSED = (401, 402, 403, 404, 405)  # whatever the problem, the server will say the same again
_IN_A_ROW = 10  # requests that fail one after another, with none answered between, before the run stops
_TIMEOUT = 600.0  # seconds that one request may take


class Stopped(RuntimeError):
    """The server refuses every request: asking on is pointless. The message has its own words."""


# What each field of an endpoint holds, and so each option of the command.
ABOUT = {
    "url": "base URL up to /v1 (else TRACEKD_TEACHER_URL)",
    "model": "model name there (else TRACEKD_TEACHER_MODEL); the key: TRACEKD_TEACHER_KEY",
    "max_tokens": "longest reply (default 4096); a longer one is cut, and not used",
    "max_completion_tokens": "the same under the name that newer servers want",
    "temperature": "of sampling (default 0)",
    "price_in": "money per million tokens read, for the estimate",
    "price_out": "money per million tokens written",
    "workers": "requests at once (default 4)",
    "retries": "most repetitions after a lost connection or a status of 408, 409, 429 or 5xx (default 4)",
}


@dataclass(frozen=True)
class Endpoint:
    """Where and how to ask: see ``ABOUT``. ``key`` is sent as bearer token; it may be empty for a local server."""

    url: str
    model: str
    key: str = ""
    max_tokens: int = 4096
    max_completion_tokens: int = 0
    temperature: float = 0.0
    price_in: float = 0.0
    price_out: float = 0.0
    workers: int = 4
    retries: int = 4

    def __post_init__(self) -> None:
        """Refuse what no request can mean."""
        least = {"max_tokens": 1, "workers": 1, "max_completion_tokens": 0, "temperature": 0, "retries": 0}
        for name, low in least.items():
            if not getattr(self, name) >= low:
                raise ValueError(f"{name} of a teacher is {getattr(self, name)!r}: expected {low} or more")
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url of a teacher is {self.url!r}: expected http:// or https://, up to and with /v1")

    @classmethod
    def from_environment(cls, **options) -> Endpoint:
        """Read URL, model and key from the environment where they are not given.

        Raises:
            ValueError: no URL or no model, or a value out of range.
        """
        given = {name: os.environ.get(f"TRACEKD_TEACHER_{name.upper()}", "") for name in ("url", "model", "key")}
        given.update({name: value for name, value in options.items() if value is not None})
        if missing := [name for name in ("url", "model") if not given[name]]:
            name = missing[0]
            raise ValueError(
                f"no teacher {name}: give {name}=..., or set TRACEKD_TEACHER_{name.upper()} "
                "(such as http://localhost:8000/v1 and the model's name there)"
            )
        return cls(**given)

    def request(self, text: str) -> dict[str, Any]:
        """The body of a request with one user turn."""
        limit = "max_completion_tokens" if self.max_completion_tokens else "max_tokens"
        turns = [{"role": "user", "content": text}]
        return {"model": self.model, "messages": turns, limit: getattr(self, limit), "temperature": self.temperature}


def estimate(problems: Sequence[Problem], endpoint: Endpoint) -> dict[str, float]:
    """Requests, tokens and money for all three texts of ``problems``, before anything is asked.

    An upper estimate: problems that the teacher answers wrong need one request, not three.
    """
    words = sum(_WORDS_TO_TOKENS * len(prompt(p).split()) for p in problems)
    tokens_in = round(2 * words + len(problems) * _REPLY_TOKENS["trace"])
    tokens_out = len(problems) * sum(_REPLY_TOKENS.values())
    cost = (tokens_in * endpoint.price_in + tokens_out * endpoint.price_out) / 1e6
    return {"requests": 3 * len(problems), "tokens_in": tokens_in, "tokens_out": tokens_out, "cost": round(cost, 4)}


@dataclass
class Teacher:
    """Asks one endpoint, from many threads, through the cache.

    Attributes:
        endpoint: where and how to ask.
        cache: file of the replies that serve, by a key made of all that changes a reply.
        counts: ``asked`` (requests), ``cached``, ``tokens_in``, ``tokens_out`` as the endpoint counted them.
        stopped: why the server is asked nothing more; "" while it is.
    """

    endpoint: Endpoint
    cache: Path
    counts: Counter[str] = field(default_factory=Counter)
    stopped: str = ""

    def __post_init__(self) -> None:
        """Open the cache; a torn last line, left by a kill, is cut off."""
        from openai import OpenAI

        self.cache = Path(self.cache)
        self.cache.parent.mkdir(parents=True, exist_ok=True)
        self._known = {row["key"]: Reply(row["reasoning"], row["reply"]) for row in recover_jsonl(self.cache)}
        self._lock, self._failures = threading.Lock(), 0
        e = self.endpoint
        key = e.key.strip() or "none"
        self._client = OpenAI(base_url=e.url, api_key=key, max_retries=e.retries, timeout=_TIMEOUT)

    def ask(self, text: str, serves: Callable[[Reply], bool] = lambda _: True) -> Reply:
        """Ask one user turn. A reply that ``serves`` is kept in the cache, any other is asked for again next time.

        Raises:
            Unanswered: no whole reply came; the message says why.
            Stopped: the server refuses every request, now or before.
        """
        body = self.endpoint.request(text)
        key = sha256({"url": self.endpoint.url, **body})
        if known := self._known.get(key):
            with self._lock:
                self.counts["cached"] += 1
            return known
        reply = read(self._post(body), self._count)
        if serves(reply):
            row = {"key": key, "model": self.endpoint.model, "reasoning": reply.reasoning, "reply": reply.text}
            with self._lock:
                append_jsonl(self.cache, [row])
                self._known[key] = reply
        return reply

    def _post(self, body: dict[str, Any]) -> str:
        """The server's answer as text. The client repeats what may succeed the next time, no more than ``retries``."""
        import openai

        if self.stopped:
            raise Stopped(self.stopped)
        with self._lock:
            self.counts["asked"] += 1
        try:
            raw = self._client.chat.completions.with_raw_response.create(**body).http_response.text
        except openai.APIStatusError as error:
            self._failed(f"{error.status_code}: {own_words(error.response.text)}", error.status_code)
        except openai.OpenAIError as error:
            self._failed(f"no reply ({type(error.__cause__ or error).__name__}): is the server up?", 0)
        self._failures = 0
        return raw

    def _failed(self, reason: str, status: int) -> None:
        """Raise ``Unanswered``, or ``Stopped`` where the next request would fail as well."""
        with self._lock:
            self._failures += 1
            # A request that the server calls bad is bad for every problem, unless it has answered others.
            bad = status in (400, 422) and not self.counts["answered"]
            hopeless = status in _REFUSED or bad or self._failures >= _IN_A_ROW
            if hopeless and not self.stopped:
                self.stopped = f"{self.endpoint.url} answered {reason}" if status else reason
        raise Stopped(self.stopped) if hopeless else Unanswered(reason)

    def _count(self, tokens_in: int, tokens_out: int) -> None:
        with self._lock:
            self.counts.update(answered=1, tokens_in=tokens_in, tokens_out=tokens_out)


def collect(problems: Sequence[Problem], teacher: Teacher) -> tuple[list[Texts], dict[str, Any]]:
    """Ask for trace, summary and explanation of every problem; keep those that the teacher answers right.

    Returns:
        The texts, in the order of ``problems``, and counts. These add up to ``problems``: ``right``, ``wrong``,
        ``failed`` (no whole reply) and ``not_asked`` (the server refuses everything). ``reasons`` says how many
        problems failed for which; ``stopped`` has the server's words, "" where it did not refuse. The teacher's own
        counts follow. What is not right is asked again by the next run.
    """
    from tqdm import tqdm

    with ThreadPoolExecutor(teacher.endpoint.workers) as pool:
        made = pool.map(lambda p: _one(p, teacher), problems)
        results = list(tqdm(made, total=len(problems), desc=teacher.endpoint.model, unit="problem", mininterval=1))
    outcomes = Counter(outcome for _, outcome, _ in results)
    reasons = Counter(reason for _, _, reason in results if reason)
    return [text for text, _, _ in results if text], {
        "problems": len(problems),
        **{name: outcomes[name] for name in ("right", "wrong", "failed", "not_asked")},
        "reasons": dict(reasons),
        "stopped": teacher.stopped,
        **teacher.counts,
    }


def _one(problem: Problem, teacher: Teacher) -> tuple[Texts | None, str, str]:
    """One problem's texts (None where it has none), the outcome, and the reason of a failure."""
    try:
        first = teacher.ask(prompt(problem), lambda reply: right(problem, reply.text))
        if not right(problem, first.text):
            return None, "wrong", ""
        trace = first.reasoning or first.text
        summary = teacher.ask(_SUMMARY.format(trace=trace)).text
        answer = ", ".join(problem.answers)
        explanation = teacher.ask(_EXPLANATION.format(prompt=prompt(problem), answer=answer)).text
    except Unanswered as error:
        return None, "failed", str(error)
    except Stopped:
        return None, "not_asked", ""
    model = teacher.endpoint.model
    return Texts(problem.id, model, trace, summary, explanation, fingerprint(problem), first.text), "right", ""
