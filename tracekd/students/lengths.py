"""Problems that are too long for a student: left out of every condition alike, counted, and only up to a limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tracekd.config import Recipe
from tracekd.data.problem import Problem
from tracekd.students import registry, sft
from tracekd.traces import templates

Sets = dict[tuple[str, str], list[sft.Example]]


def training_sets(run) -> Sets:
    """The SFT sets that a run trains on: those of ``sft.kept`` without the problems that are too long."""
    return fitting(sft.kept(run), run.student, run.profile.recipe)


def fitting(sets: Mapping[tuple[str, str], Sequence[sft.Example]], student: str, recipe: Recipe) -> Sets:
    """SFT sets without the problems whose example is longer than ``recipe.max_tokens`` in any condition.

    A problem is left out of all conditions of its data set, so that these stay comparable; no example is ever cut. With
    the habits ``release_rules`` nothing is left out: what is too long is cut, and ``sft.encode_all`` says so.

    Raises:
        ValueError: more than the share ``leave_out`` of a data set's problems is too long.
    """
    if recipe.habits == "as_published":
        return {key: list(examples) for key, examples in sets.items()}
    tokenizer = registry.load_tokenizer(student)
    made = {}
    for dataset in dict.fromkeys(dataset for dataset, _ in sets):
        own = {key: list(examples) for key, examples in sets.items() if key[0] == dataset}
        lengths = _longest(own, tokenizer, recipe.max_tokens)
        names = {example.id for examples in own.values() for example in examples}
        what = f"training problems have an example longer than max_tokens = {recipe.max_tokens}"
        _say(dataset, what, lengths, len(names), recipe.leave_out, "max_tokens")
        made |= {key: [e for e in examples if e.id not in lengths] for key, examples in own.items()}
    return made


def _longest(sets: Sets, tokenizer, limit: int) -> dict[str, int]:
    """Tokens of the longest example of each problem that is beyond the limit in some condition, by id."""
    prompts: dict[str, int] = {}
    frame, found = len(sft.prompt_ids(tokenizer, "")), {}
    for example in (example for examples in sets.values() for example in examples):
        # A byte-level tokenizer makes at most one token of a byte, so that most texts need not be counted.
        if frame + 2 + len((example.prompt + example.target).encode()) <= limit:
            continue
        if example.id not in prompts:
            prompts[example.id] = len(sft.prompt_ids(tokenizer, example.prompt))
        length = prompts[example.id] + len(tokenizer(example.target, add_special_tokens=False).input_ids) + 1
        if length > limit:
            found[example.id] = max(length, found.get(example.id, 0))
    return found


def answerable(run, dataset: str, problems: Sequence[Problem]) -> list[Problem]:
    """The test problems whose prompt and ``max_new_tokens`` fit into the student's context; says how many do not.

    Raises:
        ValueError: more than the recipe's share ``leave_out`` does not fit.
    """
    recipe = run.profile.recipe
    context = getattr(registry.load_config(run.student), "max_position_embeddings", None)
    if context is None:
        return list(problems)
    tokenizer, room = registry.load_tokenizer(run.student), context - recipe.max_new_tokens
    frame, lengths = len(sft.prompt_ids(tokenizer, "")), {}
    for problem in problems:
        prompt = templates.prompt(problem)
        if frame + 2 + len(prompt.encode()) > room and (n := len(sft.prompt_ids(tokenizer, prompt))) > room:
            lengths[problem.id] = n
    what = f"test problems leave no room for {recipe.max_new_tokens} new tokens in the student's context of {context}"
    _say(dataset, what, lengths, len(problems), recipe.leave_out, "max_new_tokens")
    return [problem for problem in problems if problem.id not in lengths]


def _say(dataset: str, what: str, lengths: Mapping[str, int], n: int, allowed: float, key: str) -> None:
    """Print how many problems are left out; more than the share ``allowed`` of the ``n`` problems is an error."""
    if not lengths:
        return
    worst, share = max(lengths, key=lengths.get), len(lengths) / n
    found = f"{dataset}: {len(lengths)} of {n} {what} (the longest, {worst}: {lengths[worst]})"
    if share > allowed:
        more = -(-share // 0.01) / 100
        raise ValueError(
            f"{found}. At most {allowed:.0%} may be left out: change {key} in profiles.toml, or allow more by "
            f"leave_out = {more:g} in the recipe"
        )
    print(f"{found}; they are left out of every condition")
