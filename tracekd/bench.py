"""`python -m tracekd bench`: speed, memory and their ratios to peers, measured in turns within one process."""

from __future__ import annotations

import importlib.util
import json
import re
import statistics
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tracekd import profiles, sft, shapes
from tracekd.artefacts import commit, hardware
from tracekd.command_line import Parser, each_of, profile_name
from tracekd.problems import check_source, label_of, load, select
from tracekd.profiles import ROOT, nearest
from tracekd.records import write_json

RECORDS = ROOT / "figures" / "data"
TRL = "trl"  # a peer, not a requirement
PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "trl")


def parser() -> Parser:
    """The command's options."""
    made = Parser("bench", main.__doc__, "python -m tracekd bench train --against trl -n 32 --rounds 3")
    made.add_argument("what", choices=tuple(MEASURES), help="run: the times that the profile's last run took")
    made.add_argument("--against", default="", help="peers, comma-separated: trl, trl_best (train); plain, authors")
    made.add_argument("--profile", type=profile_name, default="cpu", help="whose student and recipe")
    made.add_argument("--student", help="another than the profile's: a name, folder, Hub id or shape (shapes.py)")
    made.add_argument("--weights", choices=("nf4", "plain"), default="nf4", help="plain: bf16 on a GPU, fp32 on a CPU")
    made.add_argument("--peak-tflops", type=float, help="the hardware's stated peak, for model FLOPs utilisation")
    made.add_argument("--data", default="generated")
    made.add_argument("--dataset", default="babi")
    made.add_argument("--condition", type=each_of(sft.CONDITIONS), default="correct")
    made.add_argument("--adapter", type=Path, help="generate, prefill: an adapter to put on the student")
    made.add_argument("-n", type=int, default=32, help="examples or problems a turn")
    made.add_argument("--authors-n", type=int, default=2, help="problems for the authors' way, which is slow")
    made.add_argument("--rounds", type=int, default=3, help="turns of each contender")
    made.add_argument("--batch", type=int, help="examples an update, or problems at once (default: the recipe's)")
    made.add_argument("--sizes", default="1,8,32", help="invariance: batch sizes, compared with the first")
    made.add_argument("--record", action="store_true", help="keep the result in figures/data/, for notebook 03")
    return made


def main(argv: list[str]) -> int:
    """Measure training, generation, scoring or interventions, print one JSON object, and compare with peers."""
    options = parser().parse_args(argv)
    profile = profiles.load(options.profile)
    student = options.student or profile.student
    folder = str(shapes.make(student)) if student in shapes.SHAPES else student
    found = {**_about(options, student), **MEASURES[options.what](options, profile, folder)}
    print(json.dumps(found, indent=1))
    if options.record:
        where = re.sub(r"\W+", "-", found["hardware"].split(",")[0]).strip("-")
        subject = options.profile if options.what == "run" else Path(student).name
        write_json(
            RECORDS / f"bench_{options.what}_{subject}{'' if options.weights == 'nf4' else '-plain'}_{where}.json",
            found,
        )
    return 0


def _about(options, student: str) -> dict:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "what": options.what, "student": student, "weights": options.weights, "profile": options.profile,
        "dataset": options.dataset, "condition": options.condition,
        "source": label_of(options.dataset, check_source(options.data)),
        "hardware": hardware(), "versions": versions, "commit": commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }  # fmt: skip


def _problems(options, profile, split: str) -> list:
    run = profiles.Run("bench", profile, 121, check_source(options.data))
    size = profile.generated.get(options.dataset)
    found = [p for p in load(options.dataset, run.source, size=size, seed=run.seed) if p.split == split]
    return select(found, options.n, run.rng("bench"))


def _peers(options, known: tuple[str, ...]) -> list[str]:
    wanted = [name for name in options.against.split(",") if name]
    for name in wanted:
        if name not in known:
            raise ValueError(f"--against {name!r}: {nearest(name, known)}")
        if name.startswith("trl") and importlib.util.find_spec("trl") is None:
            raise ValueError(f"--against {name}: TRL is not installed here: `python -m pip install {TRL}` adds it")
    return wanted


def _ratios(rows: list[dict], key: str, rate: str) -> dict[str, float]:
    """Our rate over each peer's: the median over rounds of the ratio within a round."""
    of = {}
    for row in rows:
        of.setdefault(row[key], []).append(row[rate])
    mine = of.pop("ours")
    return {name: statistics.median(a / b for a, b in zip(mine, theirs, strict=False)) for name, theirs in of.items()}


def _train(options, profile, student: str) -> dict:
    from dataclasses import replace

    from tracekd import bench_train, meter, students

    batch = options.batch or profile.recipe.batch
    recipe = replace(profile.recipe, epochs=1, batch=batch, accumulation=1, quantise=options.weights == "nf4")
    tokenizer = students.load_tokenizer(student)
    examples = sft.build(_problems(options, profile, "train"), options.condition, seed=121)
    encoded = sft.encode_all(examples, tokenizer, recipe.max_tokens)
    names = ["ours", *_peers(options, bench_train.PEERS)]
    rows = [
        {"round": i, **bench_train.turn(name, student, encoded, recipe, 121)}
        for i in range(options.rounds)
        for name in names
    ]
    config, dtype = students.load_config(student), students.compute_dtype(student)
    tokens = recipe.batch * sum(map(len, encoded)) // len(encoded)
    rate = meter.matrix_rate(tokens, config.hidden_size, config.intermediate_size, dtype)
    mine = statistics.median(row["operations_per_second"] for row in rows if row["trainer"] == "ours")
    found = {
        "n": len(encoded), "batch": recipe.batch, "rows": rows,
        "ratios": _ratios(rows, "trainer", "tokens_per_second"),
        "matrix_rate": rate, "share_of_matrix_rate": mine / rate,
    }  # fmt: skip
    if options.peak_tflops:
        found["model_flops_utilisation"] = mine / (options.peak_tflops * 1e12)
    if len(names) > 1:
        found["losses_on_one_batch"] = bench_train.losses_on_one_batch(student, encoded[: recipe.batch], recipe, 121)
    return found


def _generate(options, profile, student: str) -> dict:
    from tracekd import bench_generate, students

    problems = _problems(options, profile, "test")
    recipe, tokenizer = profile.recipe, students.load_tokenizer(student)
    names = ["ours", *_peers(options, bench_generate.PEERS)]
    models = {ours: bench_generate.loaded(student, options.adapter, ours=ours) for ours in (True, False)}
    batch, rows, outputs = options.batch or recipe.generate_batch, [], {}
    for name in names[:2]:  # the first pass through a model pays for its memory: nobody's turn
        bench_generate.turn(name, models[name == "ours"], tokenizer, problems[:2], 2, batch)
    for i in range(options.rounds):
        for name in names:
            asked = problems[: options.authors_n] if name == "authors" else problems
            row, outputs[name] = bench_generate.turn(
                name, models[name == "ours"], tokenizer, asked, recipe.max_new_tokens, batch
            )
            rows.append({"round": i, **row})
    against = {
        name: bench_generate.differences(problems, outputs["ours"], outputs[name], tokenizer) for name in names[1:]
    }
    ratios = _ratios(rows, "way", "tokens_per_second")
    return {"n": len(problems), "batch": batch, "rows": rows, "ratios": ratios, "outputs_that_differ": against}


def _invariance(options, profile, student: str) -> dict:
    from tracekd import bench_generate

    problems = _problems(options, profile, "test")
    sizes = [int(size) for size in options.sizes.split(",")]
    rows = bench_generate.invariance(student, options.adapter, problems, profile.recipe.max_new_tokens, sizes)
    return {"n": len(problems), "rows": rows}


def _prefill(options, profile, student: str) -> dict:
    """Answers after given traces: the prompt's cache shared by a problem's traces, against separate passes."""
    from tracekd import bench_generate, prefill_bench, students
    from tracekd.intervention_grid import ANSWER_TOKENS

    problems, tokenizer = _problems(options, profile, "test"), students.load_tokenizer(student)
    model, limit = bench_generate.loaded(student, options.adapter, ours=True), profile.recipe.max_new_tokens
    turns = [
        prefill_bench.compare(model, tokenizer, problems, seed=121, max_new_tokens=min(limit, ANSWER_TOKENS))
        for _ in range(options.rounds)
    ]
    return {
        "n": len(problems), "rows": [{"round": i, **turn} for i, turn in enumerate(turns)],
        "speed_up": statistics.median(turn["speed_up"] for turn in turns),
        "largest_gap": max(turn["largest_gap"] for turn in turns),
        "same_answers": min(turn["same_answers"] for turn in turns),
    }  # fmt: skip


def _score(options, profile, student: str) -> dict:
    """Score gold targets as outputs: every output is read and judged in full."""
    from tracekd import score, sft

    problems = _problems(options, profile, "train")
    texts = {e.id: e.target for e in sft.build(problems, options.condition, seed=121)}
    rows = []
    for i in range(options.rounds):
        started = time.perf_counter()
        for problem in problems:
            score.verdict(problem, texts[problem.id])
        seconds = time.perf_counter() - started
        rows.append({"round": i, "n": len(problems), "outputs_per_second": len(problems) / seconds})
    return {"n": len(problems), "rows": rows}


def _run(options, profile, student: str) -> dict:
    """Seconds of each notebook of the profile's last run, as ``./run_all.sh`` kept them."""
    from tracekd import steps
    from tracekd.runner import runs_root

    done = steps.read(runs_root() / profile.name)
    if not done:
        raise ValueError(
            f"profile {profile.name!r} has no finished notebook here: ./run_all.sh --profile {profile.name}"
        )
    seconds = {name: entry["seconds"] for name, entry in done.items()}
    sources = sorted({entry["inputs"]["the data source"] for entry in done.values()})
    source = "GENERATED problems" if sources == ["generated"] else "real problems where the source has them"
    return {"n": len(seconds), "seconds": seconds, "total": sum(seconds.values()), "source": source}


def _steady(options, profile, student: str) -> dict:
    """Training and generation by one worker, by all, and by one process on all cores; quiet, and beside a busy loop."""
    from dataclasses import replace

    from tracekd import bench_generate, bench_steady, bench_train, sft, students

    recipe = replace(profile.recipe, epochs=1, batch=options.batch or profile.recipe.batch, accumulation=1)
    peers = _peers(options, (*bench_train.PEERS, *bench_generate.PEERS))
    examples = sft.build(_problems(options, profile, "train"), options.condition, seed=121)
    encoded = sft.encode_all(examples, students.load_tokenizer(student), recipe.max_tokens)
    asked = _problems(options, profile, "test")
    rows = []
    for what, items, known in (("train", encoded, bench_train.PEERS), ("generate", asked, bench_generate.PEERS)):
        task = (student, items, recipe, recipe.generate_batch)
        rows += bench_steady.measure(what, task, [name for name in peers if name in known], options.rounds)
    return {"n": options.n, "rows": rows, "summary": bench_steady.summary(rows)}


MEASURES = {
    "train": _train, "generate": _generate, "score": _score, "invariance": _invariance, "prefill": _prefill,
    "run": _run, "steady": _steady,
}  # fmt: skip
