"""Many inputs for everything that reads what strangers may have written.

    python -m tests.fuzz [--inputs 10000] [--target NAME] [--seed 0] [--guided SECONDS]

Each target runs in a process of its own, which a crash or an input of more than --patience seconds ends. Prints inputs,
seconds and failures of each, and every kind of failure once with an input that shows it; returns 1 if there are any.
--guided goes by the coverage of our code instead, with atheris (`pip install atheris`), until it finds something or the time
is over.
"""

import argparse
import faulthandler
import logging
import subprocess
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz import files, media, weights, words
from tests.fuzz.target import Check, Target, checking

TARGETS = {target.name: target for module in (weights, files, media, words) for target in module.TARGETS}
ROOT = Path(__file__).parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--target", choices=TARGETS, help="one alone (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--patience", type=float, default=20.0, metavar="SECONDS", help="for one input")
    parser.add_argument("--guided", type=int, metavar="SECONDS", help="by coverage, with atheris; needs --target")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here or args.guided:
        return try_one(TARGETS[args.target], args)
    print(f"{'target':<18}{'inputs':>8}{'seconds':>9}{'failures':>10}", flush=True)
    bad = False
    for name in [args.target] if args.target else TARGETS:
        begin = time.monotonic()
        command = [sys.executable, "-m", "tests.fuzz", "--here", "--target", name, "--inputs", str(args.inputs)]
        command += ["--seed", str(args.seed), "--patience", str(args.patience)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
        result = done.stdout.strip().splitlines()
        ended = done.returncode if done.returncode not in (0, 1) or not result else None
        tried, failed = result[-1].split() if ended is None else ("?", "crash or hang")
        print(f"{name:<18}{tried:>8}{time.monotonic() - begin:>9.1f}{failed:>10}", flush=True)
        if ended is not None or done.returncode:
            bad = True
            print(done.stderr[-6000:], flush=True)
    return int(bad)


def try_one(target: Target, args: argparse.Namespace) -> int:
    logging.disable()
    warnings.simplefilter("error")
    strategy = target.inputs()
    failures: dict[str, tuple[int, str]] = {}
    tried = [0]
    with checking(target) as check:

        def one(value: Any) -> None:
            tried[0] += 1
            # Unlike a signal, this ends a process that hangs in foreign code, too.
            faulthandler.dump_traceback_later(args.patience, exit=True)
            try:
                judge(check, value, failures)
            finally:
                faulthandler.cancel_dump_traceback_later()

        faulthandler.enable()
        if args.guided:
            return guided(given(strategy)(check), args.guided)
        generate = settings(
            max_examples=args.inputs, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
        )  # fmt: skip
        seed(args.seed)(generate(given(strategy)(one)))()
    for kind, (count, example) in failures.items():
        print(f"{count} × {kind}\n    {example}", file=sys.stderr)
    print(tried[0], sum(count for count, _ in failures.values()))
    return int(bool(failures))


def judge(check: Check, value: Any, failures: dict[str, tuple[int, str]]) -> None:
    try:
        check(value)
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if str(ROOT) in frame.filename]
        place = next((frame for frame in reversed(frames) if "/tests/" not in frame.filename), frames[-1])
        kind = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {str(error)[:200]!r}"
        key = kind.split(": ")[0]
        known = next((name for name in failures if name.startswith(key)), kind)
        count, example = failures.get(known, (0, repr(value)[:400]))
        failures[known] = (count + 1, example)


def guided(test: Any, seconds: int) -> int:
    """libFuzzer chooses the inputs; it prints what it found and ends the process."""
    import atheris

    atheris.instrument_all()
    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}"], lambda data: test.hypothesis.fuzz_one_input(data))
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
