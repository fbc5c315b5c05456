"""`main.py bench`: every stage of ours, and other runtimes on the same network, engines in turn."""

import argparse
import json
import os
import platform
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from numpy.typing import NDArray

from engine.benchmark import engines
from engine.benchmark.comparison import Result, compare, ratios
from engine.benchmark.stages import time_stages
from engine.compiler import targets
from engine.errors import SinkError, SourceError, UsageError
from engine.estimator import PoseEstimator
from engine.preprocess import choose_shape
from engine.sources import open_source
from models import architecture, checkpoints, complexity
from models.skeleton import COCO_17

STAGE_RUNS = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", default="xs", metavar="S[,S…]", help="model sizes (default: xs)")
    parser.add_argument(
        "--threads", default=None, metavar="N[,N…]", help="thread counts (default: this machine's cores)"
    )
    parser.add_argument(
        "--engines",
        default=engines.OURS,
        metavar="E[,E…]",
        help=f"of {', '.join(engines.NAMES)} (default: {engines.OURS})",
    )
    parser.add_argument("--input", default="square", metavar="SHAPE", help="square, auto (of a 16:9 picture) or WxH")
    parser.add_argument("--rounds", type=int, default=30, help="interleaved rounds (default: 30)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")


def main(args: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="litepose-bench-") as folder:
        return _bench(args, Path(folder))


def _bench(args: argparse.Namespace, folder: Path) -> int:
    sizes, names = args.size.split(","), args.engines.split(",")
    for name in names:
        if name not in engines.NAMES:
            raise UsageError(f"Unknown engine “{name}”. Choose from {', '.join(engines.NAMES)}.")
    threads = (
        [_whole(text, "--threads") for text in args.threads.split(",")] if args.threads else [targets.default_threads()]
    )
    if args.rounds < 1:
        raise UsageError("--rounds must be at least 1.")
    frame = _picture()
    results: list[Result] = []
    stages: dict[str, dict[str, Any]] = {}
    for size in sizes:
        net = architecture.load(size)
        weights = _weights(size, folder)
        shape = choose_shape(frame.shape[1], frame.shape[0], net.resolution, args.input)
        picture = cv2.resize(frame, (shape.width, shape.height), interpolation=cv2.INTER_AREA).astype(np.uint8)
        gmacs = complexity.count(net, COCO_17.joint_count, shape.height, shape.width).actual / 1e9
        for count in threads:
            title = f"{size}, {count} threads"
            found = compare(size, weights, picture, count, names, args.rounds, gmacs, partial(_status, title))
            _status()
            results += found
            _print(found)
            if engines.OURS in names:
                stages.setdefault(size, {})[str(count)] = _stages(weights, count, frame, args.input)
                _print_stages(size, count, stages[size][str(count)])
    ratio = ratios(results)
    for size, by_threads in ratio.items():
        for number, times in by_threads.items():
            place = f"{number} threads" if number.isdigit() else number
            print(f"{size}, {place}: {times:.2f}× the speed of the best other engine there")
    if args.json:
        report = {
            "machine": _machine(),
            "rounds": args.rounds,
            "results": [result.as_dict() for result in results],
            "ratio_to_best_peer": ratio,
            "stages": stages,
        }
        _write(args.json, report)
    return 0


def _whole(text: str, option: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 256:
        raise UsageError(f"{option}: “{text}” is not a number of threads.")
    return int(text)


def _weights(size: str, folder: Path) -> str:
    """Our weights, or made-up ones in a file: the time does not depend on them, and every engine must read the same."""
    path = folder / f"{size}.safetensors"
    checkpoints.save(checkpoints.load_or_make_up(size), path)
    return str(path)


def _picture() -> NDArray[np.uint8]:
    """A frame of the bundled demo, 16:9."""
    with open_source("demo") as source:
        for frame in source:
            if frame.media_s >= 2:
                return cv2.resize(frame.image, (1280, 720)).astype(np.uint8)
    raise SourceError("The bundled demo has no frames. Install the program again.")


def _stages(weights: str, threads: int, frame: NDArray[np.uint8], input_mode: str) -> dict[str, dict[str, float]]:
    estimator = PoseEstimator.from_checkpoint(checkpoints.load(weights), input_mode=input_mode, threads=threads)
    return time_stages(estimator, frame, STAGE_RUNS)


def _print(results: list[Result]) -> None:
    print(
        f"{'engine':<22}{'size':<6}{'threads':>7}{'input':>10}{'median':>10}{'p10':>9}{'p90':>9}{'GMAC/s':>9}{'of GEMM':>9}{'error':>10}"
    )
    for r in results:
        error = "–" if r.max_error is None else f"{r.max_error:.1e}"
        print(
            f"{r.engine:<22}{r.size:<6}{r.threads:>7}{r.input:>10}{r.median_ms:>7.2f} ms{r.p10_ms:>6.2f} ms{r.p90_ms:>6.2f} ms"
            f"{r.gmacs_per_s:>9.1f}{r.share_of_gemm:>9.0%}{error:>10}"
        )


def _print_stages(size: str, threads: int, stages: dict[str, dict[str, float]]) -> None:
    parts = [f"{name} {ms['p50_ms']:.2f}" for name, ms in stages.items()]
    print(f"stages of a 1280×720 frame, {size}, {threads} threads, median ms: {', '.join(parts)}")


def _status(*parts: str) -> None:
    """Shows what is going on in one line that the next call replaces; nothing where nobody watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K{': '.join(parts)}", end="", file=sys.stderr, flush=True)


def _machine() -> dict[str, Any]:
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": psutil.cpu_count(logical=False),
        "hardware_threads": os.cpu_count(),
        "target": targets.host_preset(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _write(path: Path, report: dict[str, Any]) -> None:
    try:
        path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise SinkError(f"Cannot write the figures to “{path}”: {error.strerror}. Choose another place.") from error
