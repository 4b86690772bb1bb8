"""Manners of every command: an example in the help, exit 2 with the nearest right name, one message for bad input."""

import gzip
from pathlib import Path

import pytest

from tracekd import __main__

HELP = [[name] for name in __main__.COMMANDS] + [["survey", "build"]]
MISSPELT = [
    (["run", "--only", "03_qlora_trian"], "'03_qlora_train'"), (["run", "--profile", "smke"], "'smoke'"),
    (["run", "smoke"], "--profile smoke"), (["train", "--profile", "smoke", "--condition", "corect"], "'correct'"),
    (["generate", "--profile", "smoek"], "'smoke'"), (["run", "--check", "--profile", "cpu,smoke"], "'cpu,smoke'"),
    (["intervene", "--profile", "smoke", "--conditon", "correct"], "'--condition'"),
    (["export", "--profile", "smoke", "--condition", "vanila"], "'vanilla'"),
    (["teacher", __file__, "--url", "http://localhost:9/v1", "--model", "m", "--workers=-1"], "-1"),
    (["teacher", ".", "--url", "localhost", "--model", "m"], "http"), (["teacher", ".", "--max-token"], "--max-tokens"),
    (["teacher", "generated", "--url", "http://x/v1", "--model", "m", "--dataset", "babbi"], "babi"),
    (["teacher", "generated", "--limit", "0"], "--limit"),
    (["leakage", "--dtaa", "x"], "'--data'"), (["mechanism", "--kinds", "correct,al_wrong"], "'all_wrong'"),
    (["derive", "x", "--lst"], "'--list'"), (["bench", "train", "-n", "0"], "1 or more"),
    (["mechanism", "--workers", "0"], "1 or more"), (["generate", "--workers=-1"], "1 or more"),
    (["score", "--dataset", "babi", "--rules", "alinged", "--problems", ".", "--outputs", "."], "'aligned'"),
    (["replication", "--profiles", "gird"], "'grid'"), (["bench", "trian"], "'train'"),
    (["student", "smollm2-135n"], "'smollm2-135m'"), (["survey", "biuld"], "'build'"), (["trian"], "'train'"),
]  # fmt: skip
FILES = {
    "missing": None, "folder": "", "empty": b"", "binary": bytes(range(256)) * 40, "deep": b"[" * 10**5,
    "gzip that broke off": gzip.compress(b"{}" * 5000)[:30], "other keys": b'{"a": 1}\n{"a": 2}\n',
}  # fmt: skip
TAKE_FILES = {
    "derive": ["derive", "{}"],
    "teacher": ["teacher", "{}", "--url", "http://localhost:9/v1", "--model", "m"],
    "score outputs": ["score", "--dataset", "babi", "--problems", "{}", "--outputs", __file__],
    "run ratings": ["run", "--only", "05", "--profile", "smoke", "--ratings", "{}"],
    "train data": ["train", "--profile", "smoke", "--data", "{}"],
    "train texts": ["train", "--profile", "smoke", "--texts", "{}", "--dataset", "cotempqa", "--condition", "r1"],
}


@pytest.fixture(autouse=True)
def nowhere(elsewhere, tmp_path, monkeypatch):
    monkeypatch.setenv("TRACEKD_DEBUG", "")  # what a command sets is taken back afterwards
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("argv", HELP, ids=" ".join)
def test_help_has_an_example(argv, capsys):
    assert __main__.main([*argv, "--help"]) == 0
    printed = capsys.readouterr().out
    example = printed[printed.rindex("example:") :]
    assert f"python -m tracekd {' '.join(argv)}" in example or "./run_all.sh --" in example


def test_every_command_is_tried_with_a_misspelt_value():
    assert set(__main__.COMMANDS) <= {argv[0] for argv, _ in MISSPELT}


@pytest.mark.parametrize(("argv", "hint"), MISSPELT, ids=lambda value: " ".join(value)[:60])
def test_a_misspelt_value_exits_2_with_the_nearest_right_one(argv, hint, capsys):
    assert __main__.main(argv) == 2
    assert argv[0] != "run" or not Path("runs").exists()  # refused before any work
    error = capsys.readouterr().err
    assert hint in error and "Traceback" not in error


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("command", TAKE_FILES)
def test_a_bad_file_is_one_message(command, kind, capsys, tmp_path):
    """An exception that is let through would fail this test: the shell would show it as a traceback."""
    path = tmp_path / ("given.jsonl.gz" if "gzip" in kind else "given.jsonl")
    content = FILES[kind]
    if content == "":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    code = __main__.main([word.format(path) for word in TAKE_FILES[command]])
    error = capsys.readouterr().err
    assert code in (1, 2) and error.strip() and "Traceback" not in error
