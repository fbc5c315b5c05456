"""Runs the engines in turn, round after round, and puts their figures side by side."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from engine.benchmark import engines
from engine.errors import LitePoseError, UsageError
from models import checkpoints

INFERENCES_A_ROUND = 3  # after one that only wakes the engine up again
REFERENCE = "torch"


@dataclass(frozen=True, slots=True)
class Result:
    """One engine's figures. max_error: largest difference to PyTorch's maps, relative to their range; None where PyTorch
    is missing. share_of_gemm: multiply-accumulates a second relative to NumPy's matrix product in the same rounds."""

    engine: str
    size: str
    threads: int
    input: str
    median_ms: float
    p10_ms: float
    p90_ms: float
    max_error: float | None
    gmacs_per_s: float
    share_of_gemm: float
    settings: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Worker:
    """One engine's process. Between its turns it is suspended: many runtimes' threads go on spinning for a tenth of a second
    after their work, and would take a core from the engine whose turn is next."""

    def __init__(self, name: str, folder: Path, weights: str, onnx: Path, threads: int) -> None:
        self.name, self.folder, self.threads = name, folder, threads
        command = [sys.executable, "-m", "engine.benchmark.worker", name, folder, weights, onnx, threads]
        self._errors = (folder / f"{name}-{threads}.log").open("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [str(word) for word in command],
            cwd=Path(__file__).parents[2],
            env=engines.environment(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._handle = psutil.Process(self._process.pid)
        self.settings: dict[str, Any] = {}

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream:
                stream.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {}
        if "error" in answer:
            raise UsageError(answer["error"])
        if not line:
            self._errors.seek(0)
            last = self._errors.read().strip().splitlines()[-1:] or ["no message"]
            raise LitePoseError(f"Engine “{self.name}” stopped: {last[0]}")
        return answer

    def wait_until_ready(self) -> None:
        self.settings = self._answer()["settings"]
        self._handle.suspend()

    def run(self, inferences: int) -> list[float]:
        assert self._process.stdin
        self._handle.resume()
        self._process.stdin.write(f"{inferences}\n")
        self._process.stdin.flush()
        times = list(self._answer()["ms"])
        self._handle.suspend()
        return times

    def maps(self) -> list[NDArray[np.float32]]:
        with np.load(self.folder / f"{self.name}-{self.threads}.npz") as stored:
            return [stored[key] for key in stored.files]


def compare(
    size: str,
    weights: str,
    picture: NDArray[np.uint8],
    threads: int,
    names: Sequence[str],
    rounds: int,
    gmacs: float,
    progress: Callable[[str], None],
) -> list[Result]:
    """Times `names` on `picture` (H, W, 3) uint8 BGR. gmacs: of one inference, in 10⁹ multiply-accumulates.

    One worker a time computes; the others are suspended. Raises UsageError for an engine that is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="litepose-bench-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        onnx = folder / "network.onnx"
        np.save(folder / "picture.npy", picture)
        if any(name in engines.NEEDS_ONNX for name in names):
            progress("exporting ONNX")
            _export(weights, picture, onnx)
        reference = _reference(folder, weights, onnx, progress)
        workers = []
        for name in [*names, engines.GEMM]:
            progress(f"starting {name}")
            worker = stack.enter_context(Worker(name, folder, weights, onnx, threads))
            worker.wait_until_ready()
            workers.append(worker)
        times: dict[str, list[float]] = {worker.name: [] for worker in workers}
        for number in range(rounds):
            progress(f"round {number + 1} of {rounds}")
            for worker in workers:
                times[worker.name] += worker.run(INFERENCES_A_ROUND + 1)[1:]
        height, width = picture.shape[:2]
        gemm = engines.GEMM_SIDE**3 / 1e9 / (float(np.median(times[engines.GEMM])) / 1e3)
        results = []
        for worker in workers[:-1]:
            ms = np.array(times[worker.name])
            rate = gmacs / (float(np.median(ms)) / 1e3)
            results.append(
                Result(
                    engine=worker.name,
                    size=size,
                    threads=threads,
                    input=f"{width}x{height}",
                    median_ms=round(float(np.median(ms)), 3),
                    p10_ms=round(float(np.percentile(ms, 10)), 3),
                    p90_ms=round(float(np.percentile(ms, 90)), 3),
                    max_error=_error(worker.maps(), reference),
                    gmacs_per_s=round(rate, 2),
                    share_of_gemm=round(rate / gemm, 3),
                    settings=worker.settings,
                )
            )
        return results


def _export(weights: str, picture: NDArray[np.uint8], path: Path) -> None:
    try:
        from models.export import export_onnx

        height, width = picture.shape[:2]
        export_onnx(checkpoints.load(weights), height, width, path)
    except ImportError as error:
        raise UsageError(
            f"ONNX export needs a package that is missing ({error}). "
            "Install it with: pip install -r requirements-bench.txt"
        ) from error


def _reference(
    folder: Path, weights: str, onnx: Path, progress: Callable[[str], None]
) -> list[NDArray[np.float32]] | None:
    """PyTorch's maps, or None where it is not installed."""
    progress("computing PyTorch's maps")
    try:
        with Worker(REFERENCE, folder, weights, onnx, 1) as worker:
            worker.wait_until_ready()
            return worker.maps()
    except UsageError:
        return None


def _error(maps: list[NDArray[np.float32]], reference: list[NDArray[np.float32]] | None) -> float | None:
    if reference is None:
        return None
    errors = [float(np.abs(ours - theirs).max() / np.ptp(theirs)) for ours, theirs in zip(maps, reference)]
    return float(f"{max(errors):.2e}")


def ratios(results: Sequence[Result]) -> dict[str, dict[str, float]]:
    """How many times faster ours is than the best other engine on the same device, by size and by threads or device."""
    ratio: dict[str, dict[str, float]] = {}
    for ours in (result for result in results if engines.is_ours(result.engine)):
        device = engines.device(ours.engine)
        peers = [
            result.median_ms
            for result in results
            if not engines.is_ours(result.engine)
            and engines.device(result.engine) == device
            and (result.size, result.threads) == (ours.size, ours.threads)
        ]
        if peers:
            key = str(ours.threads) if device == "cpu" else device
            ratio.setdefault(ours.size, {})[key] = round(min(peers) / ours.median_ms, 3)
    return ratio
