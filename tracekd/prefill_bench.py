"""What sharing the prompt's cache saves: separate passes as reference, and both ways timed side by side."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from tracekd import sft, traces
from tracekd.interventions import Reply
from tracekd.prefill import CLOSE, Prefill, reply, score, tokenise
from tracekd.problems import Problem
from tracekd.variants import Variant, variants


@torch.inference_mode()
def separate(model, tokenizer, problem: Problem, given: Sequence[Variant], max_new_tokens: int = 64) -> list[Reply]:
    """The same replies the plain way, a variant at a time: a full pass to score an answer, another to write one.

    Nothing is padded, and no cache outlives its variant; what ``Prefill`` is measured against.
    """
    end, prompt = sft.end_token(tokenizer), sft.prompt_ids(tokenizer, traces.prompt(problem))
    replies = []
    for variant in given:
        turn = tokenise(tokenizer, problem, variant)
        before = prompt + turn.given
        scores = []
        for answer in (turn.gold, turn.implied):
            if answer is not None:
                whole = torch.tensor([before + answer], device=model.device)
                logits = model(input_ids=whole, use_cache=False).logits[0, len(before) - 1 : -1].float()
                scores.append(score(logits, answer))
        written, cache, step, finished = [], None, before, False
        while not finished and len(written) < max_new_tokens:
            out = model(input_ids=torch.tensor([step], device=model.device), past_key_values=cache, use_cache=True)
            cache, step = out.past_key_values, [int(out.logits[0, -1].argmax())]
            finished = step[0] == end
            written += [] if finished else step
            finished = finished or CLOSE in tokenizer.decode(written, skip_special_tokens=True)
        replies.append(reply(tokenizer, turn, written, finished, scores[0].logp, scores[1] if turn.implied else None))
    return replies


def compare(model, tokenizer, problems: Sequence[Problem], *, seed: int = 0, max_new_tokens: int = 64) -> dict:
    """Time the shared cache against separate passes on the same variants (all but ``own``), and compare the results.

    Agreement to 1e-4 nats is meant for fp32, as on a CPU; half precision rounds more coarsely than that.

    Returns:
        ``problems``, ``variants`` (counts); ``shared_s``, ``alone_s`` (the same code given one variant at a time: the
        prompt is run once a variant) and ``separate_s`` (see ``separate``), wall seconds for all problems;
        ``speed_up`` (separate by shared), ``speed_up_alone`` (alone by shared); ``largest_gap`` (nats, over gold and
        implied log-probabilities of shared and separate); ``same_answers`` (share of variants with the same greedy
        text, 0..1).
    """
    made = [[v for v in variants(p, None, others=problems, seed=seed) if v.text is not None] for p in problems]
    shared = Prefill(model, tokenizer, max_new_tokens=max_new_tokens)
    ways = {
        "shared": shared,
        "alone": lambda p, given: [shared(p, [variant])[0] for variant in given],
        "separate": lambda p, given: separate(model, tokenizer, p, given, max_new_tokens),
    }
    shared(problems[0], made[0])  # the first pass allocates; it is not timed
    seconds, found = {}, {}
    for name, way in ways.items():
        started = time.perf_counter()
        found[name] = [reply for p, given in zip(problems, made, strict=True) for reply in way(p, given)]
        seconds[name] = time.perf_counter() - started
    pairs = list(zip(found["shared"], found["separate"], strict=True))
    gaps = [abs(a.logp_gold - b.logp_gold) for a, b in pairs]
    gaps += [abs(a.logp_implied - b.logp_implied) for a, b in pairs if a.logp_implied is not None]
    return {
        "problems": len(problems), "variants": len(pairs), "shared_s": seconds["shared"],
        "alone_s": seconds["alone"], "separate_s": seconds["separate"],
        "speed_up": seconds["separate"] / seconds["shared"], "speed_up_alone": seconds["alone"] / seconds["shared"],
        "largest_gap": max(gaps), "same_answers": sum(a.text == b.text for a, b in pairs) / len(pairs),
    }  # fmt: skip
