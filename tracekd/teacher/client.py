"""``python -m tracekd teacher DATA``: ask an OpenAI-compatible endpoint for traces, summaries and explanations.

The ``openai`` client sends and repeats requests. Replies go to a JSON-lines cache at once, so none is paid for twice.
"""

import json
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tracekd.command_line import Parser, count
from tracekd.data.problem import Problem
from tracekd.data.problems import check_source, datasets_of, load, source_of
from tracekd.io.records import append_jsonl, recover_jsonl, sha256, write_jsonl
from tracekd.scoring.aligned import verdict
from tracekd.text import normalise
from tracekd.traces.freeform import Texts, clean, fingerprint
from tracekd.traces.templates import prompt

WORKERS = 4  # requests at once
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


def endpoint(url: str, model: str, key: str = "") -> Any:
    """The ``openai`` client of a URL up to /v1; ValueError without URL or model."""
    from openai import OpenAI

    if not (url.startswith(("http://", "https://")) and model):
        raise ValueError(
            f"url {url!r} and model {model!r} of a teacher: expected http://... up to /v1 in --url or "
            "TRACEKD_TEACHER_URL, and the model's name there in --model or TRACEKD_TEACHER_MODEL"
        )
    return OpenAI(base_url=url, api_key=key.strip() or "none", max_retries=_RETRIES)


def ask(client: Any, text: str, **options: Any) -> tuple[str, str]:
    """Reasoning (or "") and reply to one user turn, without tags; ``Unanswered`` where no whole reply comes."""
    from openai import OpenAIError

    made = None
    try:
        made = client.chat.completions.create(messages=[{"role": "user", "content": text}], **options)
        ended, message = made.choices[0].finish_reason, made.choices[0].message
        head, _, reply = (message.content or "").rpartition("</think>")
    except (OpenAIError, ValueError) as error:  # ValueError: no JSON
        raise Unanswered(f"{error}"[:200]) from error
    except (AttributeError, IndexError, TypeError) as error:
        raise Unanswered(f"no reply but {getattr(made, 'error', None) or made}"[:200]) from error
    if ended in _CUT:
        raise Unanswered(f"a reply that ended in {ended!r} (too long: raise --max-tokens)")
    if "<think>" in reply:
        raise Unanswered("a reply that ends within its reasoning")
    thought = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None) or head
    # JSON can hold half a character, which no file can.
    thought, reply = (clean(str(part)).encode("utf-8", "ignore").decode() for part in (thought, reply))
    if not reply:
        raise Unanswered("an empty reply")
    return thought, reply


def right(problem: Problem, reply: str) -> bool:
    """Whether a reply, or what follows its last "Answer:", is right or lists gold alone; prose counts as wrong."""
    final = _FINAL.split(reply)[-1].strip(" *_`\n")
    return lists(final, problem.answers) or any(verdict(problem, t)["answer_correct"] for t in (reply, final))


def lists(text: str, answers: Sequence[str]) -> bool:
    """Whether a text holds every answer and beside them "and" alone; an answer may itself have commas or an "and"."""
    left = normalise(text)
    for answer in sorted(set(map(normalise, answers)), key=len, reverse=True):  # one may stand within a longer one
        left, found = re.subn(rf"(?<!\S){re.escape(answer)}(?!\S)", " ", left)
        if not found:
            return False
    return set(left.split()) <= {"and"}


def cached(client: Any, cache: Path, options: Mapping[str, Any]) -> Callable[[str], tuple[str, str]]:
    """``ask`` through a file of whole replies: none is paid twice, and after ten failures in a row nothing is asked."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    known = {row["key"]: (row["reasoning"], row["reply"]) for row in recover_jsonl(cache)}
    lock, failures = threading.Lock(), []

    def asked(text: str) -> tuple[str, str]:
        key = sha256({"url": str(client.base_url), "text": text, **options})
        if key not in known:
            if len(failures) >= _IN_A_ROW:
                raise Unanswered(f"not asked: {_IN_A_ROW} requests in a row had failed")
            try:
                thought, reply = ask(client, text, **options)
            except Unanswered as error:
                failures.append(error)
                raise
            with lock:
                failures.clear()
                append_jsonl(cache, [{"key": key, "reasoning": thought, "reply": reply}])
                known[key] = thought, reply
        return known[key]

    return asked


def collect(problems: Sequence[Problem], client: Any, cache: Path, **options: Any) -> tuple[list[Texts], dict]:
    """Ask for trace, summary and explanation of every problem; ``options`` (``model``, ...) go into each request.

    Returns the texts on problems that the teacher answers right, in their order, and counts: ``right``, ``wrong`` and
    ``failed`` (which the next run asks again, ``reasons`` says why) add up to ``problems``.
    """
    from tqdm.contrib.concurrent import thread_map

    asked = cached(client, cache, options)

    def one(problem: Problem) -> Texts | str:
        try:
            reasoning, said = asked(prompt(problem))
            if not right(problem, said):
                return ""
            trace, answer = reasoning or said, ", ".join(problem.answers)
            _, summary = asked(_SUMMARY.format(trace=trace))
            _, explanation = asked(_EXPLANATION.format(prompt=prompt(problem), answer=answer))
        except Unanswered as error:
            return str(error)
        return Texts(problem.id, options["model"], trace, summary, explanation, fingerprint(problem), said)

    results = thread_map(one, problems, max_workers=WORKERS, desc=options["model"], unit="problem")
    texts = [result for result in results if isinstance(result, Texts)]
    reasons = Counter(result for result in results if isinstance(result, str) and result)
    counts = {"right": len(texts), "wrong": results.count(""), "failed": reasons.total(), "reasons": dict(reasons)}
    return texts, {"problems": len(problems), **counts}


def main(argv: list[str]) -> int:
    """Ask, write the texts and print the counts as JSON; 1 where a problem failed."""
    example = "python -m tracekd teacher ../shared/data --limit 20 --url http://localhost:8000/v1 --model NAME --go"
    made, env = Parser("teacher", __doc__.splitlines()[0], example), os.environ.get
    add = made.add_argument
    add("data", metavar="DATA", help="generated, hub, a folder, or a file of your own problems")
    add("--dataset", default="cotempqa", help="which set of DATA; its training problems are asked")
    add("--out", type=Path, default="runs/teacher/texts.jsonl", help="texts of problems answered right")
    add("--limit", type=count, help="only the first so many problems")
    add("--url", default=env("TRACEKD_TEACHER_URL", ""), help="up to /v1 (else TRACEKD_TEACHER_URL)")
    add("--model", default=env("TRACEKD_TEACHER_MODEL", ""), help="its name (else TRACEKD_TEACHER_MODEL)")
    add("--max-tokens", type=count, default=4096, help="a longer reply is not used (default: 4096)")
    add("--go", action="store_true", help="ask; without it only the number of requests is printed")
    options = made.parse_args(argv)
    client = endpoint(options.url, options.model, env("TRACEKD_TEACHER_KEY", ""))
    source = check_source(options.data)
    dataset = options.dataset if len(datasets_of(source)) > 1 else datasets_of(source)[0]
    if source_of(dataset, source) == "generated" != options.data:
        raise ValueError(f"data source {options.data!r} has no {dataset}: choose its --dataset, or say generated")
    problems = [p for p in load(dataset, source) if p.split == "train"][: options.limit]
    if not options.go:
        words = sum(len(prompt(p).split()) for p in problems)
        print(f"{len(problems)} problems with {words:,} words: up to {3 * len(problems)} requests; --go asks them")
        return 0
    given = {"model": options.model, "max_tokens": options.max_tokens, "temperature": 0.0}
    texts, counts = collect(problems, client, options.out.with_suffix(".cache"), **given)
    write_jsonl(options.out, map(asdict, texts))
    print(json.dumps({"written": str(options.out), **counts}, ensure_ascii=False))
    return 1 if counts["failed"] else 0
