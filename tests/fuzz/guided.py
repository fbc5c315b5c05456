"""Inputs that libFuzzer makes, by the coverage of our code: one target, started by `python -m tests.fuzz --guided`.

A target that takes bytes gets libFuzzer's own; the others get what hypothesis makes of them. The first inputs come from the
target's strategy, so that libFuzzer begins with files that are nearly right. Needs atheris, which has wheels for Linux alone.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import atheris

# What is imported here is what libFuzzer sees the branches and comparisons of.
with atheris.instrument_imports(include=["app", "engine", "models", "main"]):
    from tests.fuzz.__main__ import TARGETS, Trial, add_arguments, drawn
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from tests.fuzz.target import checking

SEEDS = 200
# The inputs that are nested too deeply are as long as a hundred others; the table without --guided tries them.
LONGEST = 1 << 15


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add_arguments(parser)
    args = parser.parse_args()
    target = TARGETS[args.target]
    strategy = target.inputs()
    seeds = drawn(strategy, SEEDS, args.seed)
    with ExitStack() as stack:
        check = stack.enter_context(checking(target))
        corpus = stack.enter_context(tempfile.TemporaryDirectory(prefix="litepose-corpus-"))
        trial = Trial(check, args.patience)
        feed: Callable[[bytes], object] = trial
        if isinstance(seeds[0], bytes):
            for number, data in enumerate(seeds):
                if len(data) <= LONGEST:
                    (Path(corpus) / f"{number:04}").write_bytes(data)
        else:
            feed = from_bytes(strategy, trial)

        def one(data: bytes) -> None:
            feed(data)
            # libFuzzer ends the process without a word to Python: the report comes before its last input is over.
            if trial.tried >= args.inputs:
                code = trial.report()
                stack.close()
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)

        # Some more runs than asked for: libFuzzer counts those, too, that hypothesis makes nothing of.
        atheris.Setup(
            [sys.argv[0], f"-runs={args.inputs * 100}", f"-seed={args.seed + 1}", f"-max_len={LONGEST}",
             "-rss_limit_mb=4096", "-verbosity=0", corpus], one)  # fmt: skip
        atheris.Fuzz()
    return 1


def from_bytes(strategy: SearchStrategy[Any], trial: Callable[[Any], None]) -> Callable[[bytes], object]:
    quiet = settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))
    return quiet(given(strategy)(lambda value: trial(value))).hypothesis.fuzz_one_input  # type: ignore[attr-defined, no-any-return]


if __name__ == "__main__":
    raise SystemExit(main())
