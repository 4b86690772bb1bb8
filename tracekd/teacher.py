"""A teacher behind any OpenAI-compatible endpoint: reasoning traces, their summaries, post-hoc explanations.

Base URL, model and key come from arguments or from ``TRACEKD_TEACHER_URL``, ``TRACEKD_TEACHER_MODEL`` and
``TRACEKD_TEACHER_KEY``. Every reply is appended to a JSON-lines cache at once, under a key made of all that changes
it; a run that was killed goes on from there and nothing is paid twice.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from tracekd.corrupt import same
from tracekd.freeform import Texts, fingerprint
from tracekd.problems import Problem
from tracekd.records import append_jsonl, recover_jsonl, sha256
from tracekd.traces import prompt

_SUMMARY = "Summarise the following reasoning in two to four sentences. Add nothing to it.\n\n{trace}"
_EXPLANATION = (
    "{prompt}\n\nThe answer is: {answer}\n\nExplain step by step, from the context alone, why this is the answer."
)
_WORDS_TO_TOKENS = 1.4  # English words to tokens, a little above what common tokenizers need
_REPLY_TOKENS = {"trace": 700, "summary": 90, "explanation": 400}  # from the ten real R1 samples, rounded up


@dataclass(frozen=True)
class Endpoint:
    """Where and how to ask.

    Attributes:
        url: base URL up to and with ``/v1``.
        model: the model's name there.
        key: sent as bearer token; may be empty for a local server.
        max_tokens, temperature: of a reply.
        price_in, price_out: money for a million tokens read and written, for the estimate; 0 for a server of one's own.
        workers: requests at once.
        per_minute: most requests started in a minute; 0 for no limit.
        retries: most repetitions of a request after a lost connection or a status of 429 or 5xx.
        timeout: seconds that one request may take.
    """

    url: str
    model: str
    key: str = ""
    max_tokens: int = 4096
    temperature: float = 0.0
    price_in: float = 0.0
    price_out: float = 0.0
    workers: int = 4
    per_minute: int = 0
    retries: int = 4
    timeout: float = 600.0

    @classmethod
    def from_environment(cls, **options) -> Endpoint:
        """Read URL, model and key from the environment where they are not given.

        Raises:
            ValueError: no URL or no model.
        """
        given = {name: os.environ.get(f"TRACEKD_TEACHER_{name.upper()}", "") for name in ("url", "model", "key")}
        given.update({name: value for name, value in options.items() if value is not None})
        for name in ("url", "model"):
            if not given[name]:
                raise ValueError(
                    f"no teacher {name}: give {name}=..., or set TRACEKD_TEACHER_{name.upper()} "
                    "(such as http://localhost:8000/v1 and the model's name there)"
                )
        return cls(**given)


def estimate(problems: Sequence[Problem], endpoint: Endpoint) -> dict[str, float]:
    """Requests, tokens and money for all three texts of ``problems``, before anything is asked.

    Returns:
        ``requests``, ``tokens_in``, ``tokens_out`` and ``cost`` (in the currency of the endpoint's prices). An upper
        estimate: problems that the teacher answers wrong need one request, not three.
    """
    read = sum(_WORDS_TO_TOKENS * len(prompt(p).split()) for p in problems)
    tokens_in = round(2 * read + len(problems) * _REPLY_TOKENS["trace"])
    tokens_out = len(problems) * sum(_REPLY_TOKENS.values())
    cost = (tokens_in * endpoint.price_in + tokens_out * endpoint.price_out) / 1e6
    return {"requests": 3 * len(problems), "tokens_in": tokens_in, "tokens_out": tokens_out, "cost": round(cost, 4)}


class Teacher:
    """Asks one endpoint, from many threads, through the cache.

    Attributes:
        counts: ``asked``, ``cached`` (requests), ``tokens_in``, ``tokens_out`` as the endpoint counted them.
    """

    def __init__(self, endpoint: Endpoint, cache: str | Path) -> None:
        """Open the cache; a torn last line, left by a kill, is cut off."""
        self.endpoint, self.cache = endpoint, Path(cache)
        self.cache.parent.mkdir(parents=True, exist_ok=True)
        self.known = {row["key"]: row for row in recover_jsonl(self.cache)}
        self.counts: Counter[str] = Counter()
        self._lock, self._next = threading.Lock(), 0.0
        self._asking: dict[str, threading.Lock] = {}
        self._session = requests.Session()
        again = Retry(
            total=endpoint.retries,
            backoff_factor=1.0,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=None,
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=again, pool_maxsize=endpoint.workers))

    def ask(self, text: str) -> tuple[str, str]:
        """Ask one user turn; return (reasoning, reply).

        Reasoning is what the endpoint gives as ``reasoning_content`` or ``reasoning``, or what stands before
        ``</think>``; empty where there is none.

        Raises:
            RuntimeError: the endpoint still fails after all retries; the message has its status and words.
        """
        e = self.endpoint
        body = {"model": e.model, "messages": [{"role": "user", "content": text}], "max_tokens": e.max_tokens}
        body["temperature"] = e.temperature
        key = sha256({"url": e.url, **body})
        with self._lock:
            mine = self._asking.setdefault(key, threading.Lock())
        with mine:  # two threads with the same question: the second finds the first one's reply
            row = self.known.get(key)
            if row is None:
                row = {"key": key, "model": e.model, **self._post(body)}
                with self._lock:
                    append_jsonl(self.cache, [row])
                    self.known[key] = row
                    self.counts["asked"] += 1
            else:
                with self._lock:
                    self.counts["cached"] += 1
        return row["reasoning"], row["reply"]

    def _post(self, body: dict) -> dict:
        self._wait()
        head = {"Authorization": f"Bearer {self.endpoint.key}"} if self.endpoint.key else {}
        url = self.endpoint.url.rstrip("/") + "/chat/completions"
        try:
            answer = self._session.post(url, json=body, headers=head, timeout=self.endpoint.timeout)
        except requests.RequestException as error:
            raise RuntimeError(f"no reply from {url}: {type(error).__name__}; is the server up?") from error
        if not answer.ok:
            raise RuntimeError(f"{url} answered {answer.status_code}: {answer.text[:200]}")
        data = answer.json()
        message, usage = data["choices"][0]["message"], data.get("usage") or {}
        reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
        reply = message.get("content") or ""
        if not reasoning and "</think>" in reply:
            reasoning, _, reply = reply.partition("</think>")
        with self._lock:
            self.counts["tokens_in"] += usage.get("prompt_tokens", 0)
            self.counts["tokens_out"] += usage.get("completion_tokens", 0)
        return {"reasoning": reasoning.replace("<think>", "").strip(), "reply": reply.strip()}

    def _wait(self) -> None:
        """Keep starts apart, so that no minute sees more than ``per_minute`` of them."""
        if not self.endpoint.per_minute:
            return
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next)
            self._next = start + 60 / self.endpoint.per_minute
        time.sleep(start - now)


def right(problem: Problem, reply: str) -> bool:
    """Whether a reply names every gold answer and no other name that the context offers as one.

    Names that are part of the question or of a gold answer do not count against it.
    """
    said, asked = f" {same(reply)} ", f" {same(problem.question)} "
    gold = [same(answer) for answer in problem.answers]
    if not all(f" {answer} " in said for answer in gold):
        return False
    if problem.dataset != "cotempqa":
        return True
    from tracekd.facts import answer_slot

    slots = {same(answer_slot(fact, problem.meta["triple_element"])) for fact in problem.context} - set(gold)
    others = (s for s in slots if f" {s} " not in asked and not any(s in answer for answer in gold))
    return not any(f" {other} " in said for other in others)


def collect(problems: Sequence[Problem], teacher: Teacher) -> tuple[list[Texts], Counter]:
    """Ask for trace, summary and explanation of every problem; keep those that the teacher answers right.

    Returns:
        The texts, in the order of ``problems``, and counts: ``problems``, ``right``, ``wrong``, ``failed`` (endpoint
        errors after all retries; asked again by the next run), and the teacher's own counts.
    """
    with ThreadPoolExecutor(teacher.endpoint.workers) as pool:
        results = list(pool.map(lambda p: _one(p, teacher), problems))
    kept = [text for text in results if isinstance(text, Texts)]
    counts = Counter(problems=len(problems), right=len(kept))
    counts.update(result for result in results if isinstance(result, str))
    counts.update(teacher.counts)
    return kept, counts


def _one(problem: Problem, teacher: Teacher) -> Texts | str:
    try:
        reasoning, reply = teacher.ask(prompt(problem))
        if not right(problem, reply):
            return "wrong"
        trace = reasoning or reply
        _, summary = teacher.ask(_SUMMARY.format(trace=trace))
        answer = ", ".join(problem.answers)
        _, explanation = teacher.ask(_EXPLANATION.format(prompt=prompt(problem), answer=answer))
    except RuntimeError:
        return "failed"
    return Texts(problem.id, teacher.endpoint.model, trace, summary, explanation, fingerprint(problem))
