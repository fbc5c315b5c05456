"""One engine in a process of its own, so that no runtime's waiting threads disturb another's turn.

Run as `python -m engine.benchmark.worker ENGINE JOB.npz WEIGHTS ONNX THREADS`. Answers each line on standard input with a
line of JSON on standard output: a number of inferences is answered with their milliseconds.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from engine.benchmark import engines
from engine.benchmark.job import Job
from models.errors import LitePoseError


def _say(stream: Any, answer: dict[str, Any]) -> None:
    stream.write(json.dumps(answer) + "\n")
    stream.flush()


def main() -> int:
    name, folder, weights, onnx, threads = sys.argv[1:]
    # What a runtime prints must not be taken for an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    try:
        job = Job(weights, Path(onnx), np.load(Path(folder) / "picture.npy"), int(threads))
        prepared = engines.prepare(name, job)
        maps = prepared.run()
        np.savez(Path(folder) / f"{name}-{threads}.npz", *maps)
        for _ in range(3):
            prepared.run()
    except LitePoseError as error:
        _say(answers, {"error": str(error), "exit_code": error.exit_code})
        return 1
    _say(answers, {"settings": prepared.settings})
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            prepared.run()
            times.append((time.perf_counter() - start) * 1e3)
        _say(answers, {"ms": times})
    return 0


if __name__ == "__main__":
    sys.exit(main())
