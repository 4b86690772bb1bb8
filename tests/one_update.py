"""Train a few updates without dropout into the folder given: run by tests, alone and under a launcher."""

import sys
from dataclasses import replace
from pathlib import Path

from tracekd.config import load
from tracekd.data.synthetic.generated import generate
from tracekd.students import sft, train

if __name__ == "__main__":
    recipe = replace(load("smoke").recipe, batch=8, lora_dropout=0.0)
    problems = [p for p in generate("babi", 110, seed=3) if p.split == "train"][:32]
    examples = sft.build(problems, "correct", seed=1)
    train.train("tiny-random", examples, recipe, seed=1, folder=Path(sys.argv[1]))
