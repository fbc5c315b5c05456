"""Many inputs for everything that reads what strangers may have written.

    python -m tests.fuzz [--inputs 10000] [--target NAME] [--seed 0] [--guided]

Each target runs in a process of its own, which a crash or an input of more than --patience seconds ends. Prints inputs,
seconds and failures of each, and every kind of failure once with an input that shows it; returns 1 if there are any.
--guided goes by the coverage of our code instead of hypothesis' rules alone, with atheris (Linux: `pip install atheris`).
"""

import argparse
import faulthandler
import importlib.util
import logging
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from tests.fuzz import files, media, weights, words
from tests.fuzz.target import Check, Target, checking

TARGETS = {target.name: target for module in (weights, files, media, words) for target in module.TARGETS}
ROOT = Path(__file__).parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add_arguments(parser)
    parser.add_argument("--guided", action="store_true", help="by coverage, with atheris")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here:
        return try_one(TARGETS[args.target], args)
    if args.guided and importlib.util.find_spec("atheris") is None:
        parser.error("--guided needs atheris, which exists for Linux: pip install atheris")
    print(f"{'target':<18}{'inputs':>8}{'seconds':>9}{'failures':>10}", flush=True)
    bad = False
    for name in [args.target] if args.target else TARGETS:
        begin = time.monotonic()
        command = [sys.executable, "-m", *(["tests.fuzz.guided"] if args.guided else ["tests.fuzz", "--here"])]
        command += ["--target", name, "--inputs", str(args.inputs)]
        command += ["--seed", str(args.seed), "--patience", str(args.patience)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
        result = done.stdout.strip().splitlines()
        ended = done.returncode if done.returncode not in (0, 1) or not result else None
        tried, failed = result[-1].split() if ended is None else ("?", "crash or hang")
        print(f"{name:<18}{tried:>8}{time.monotonic() - begin:>9.1f}{failed:>10}", flush=True)
        if ended is not None or done.returncode:
            bad = True
            print(done.stderr[-12000:], flush=True)
    return int(bad)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--target", choices=TARGETS, help="one alone (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--patience", type=float, default=20.0, metavar="SECONDS", help="for one input")


def try_one(target: Target, args: argparse.Namespace) -> int:
    strategy = target.inputs()
    with checking(target) as check:
        trial = Trial(check, args.patience)
        drawn(strategy, args.inputs, args.seed, trial)
    return trial.report()


def drawn(
    strategy: SearchStrategy[Any], count: int, chosen: int, then: Callable[[Any], None] | None = None
) -> list[Any]:
    """What the strategy makes with this seed: handed over one by one, or else as a list."""
    found: list[Any] = []
    every = settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )  # fmt: skip
    take = then or found.append
    seed(chosen)(every(given(strategy)(lambda value: take(value))))()
    return found


class Trial:
    """Tries one input after the other, and keeps what kinds of failure there were with an input that shows each."""

    def __init__(self, check: Check, patience: float) -> None:
        self.check = check
        self.patience = patience
        self.tried = 0
        self.failures: dict[str, tuple[int, str]] = {}
        logging.disable()
        warnings.simplefilter("error")
        faulthandler.enable()

    def __call__(self, value: Any) -> None:
        self.tried += 1
        # Unlike a signal, this ends a process that hangs in foreign code, too.
        faulthandler.dump_traceback_later(self.patience, exit=True)
        try:
            self.check(value)
        except Exception as error:
            self._note(error, value)
        finally:
            faulthandler.cancel_dump_traceback_later()

    def _note(self, error: Exception, value: Any) -> None:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if str(ROOT) in frame.filename]
        place = next((frame for frame in reversed(frames) if "/tests/" not in frame.filename), frames[-1])
        kind = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {str(error)[:200]!r}"
        key = kind.split(": ")[0]
        known = next((name for name in self.failures if name.startswith(key)), kind)
        count, example = self.failures.get(known, (0, repr(value)[:400]))
        self.failures[known] = (count + 1, example)

    def report(self) -> int:
        for kind, (count, example) in self.failures.items():
            print(f"{count} × {kind}\n    {example}", file=sys.stderr)
        print(self.tried, sum(count for count, _ in self.failures.values()))
        return int(bool(self.failures))


if __name__ == "__main__":
    raise SystemExit(main())
