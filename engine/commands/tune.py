"""`main.py tune`: the fastest tilings of a network's kernels, measured on this machine or on a board."""

import argparse
import json
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.commands.device_option import add_precision_argument
from engine.compiler import artifacts, ffi, records, targets
from engine.compiler.folders import tuning_folder
from engine.compiler.records import Records
from engine.compiler.runtime import CompiledNetwork
from engine.compiler.targets import Target
from engine.errors import UsageError
from engine.preprocess import InputShape, choose_shape, input_shapes
from models import checkpoints
from models.checkpoints import Checkpoint

CHECK_ROUNDS = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", default="xs", help="xs, s, m, l, or a weights file (default: xs)")
    parser.add_argument("--target", help="as in compile (default: this machine)")
    parser.add_argument("--input", default="auto", metavar="SHAPE", help="auto: all five shapes; square; WxH[,WxH…]")
    parser.add_argument("--threads", type=int, metavar="N", help="worker threads (default: the target's cores)")
    add_precision_argument(parser)
    parser.add_argument("--rpc", metavar="HOST:PORT", help="measure on a board that runs TVM's RPC server")
    parser.add_argument("--tracker", metavar="HOST:PORT", help="measure on a board of TVM's tracker")
    parser.add_argument("--key", help="the boards' key at the tracker")
    parser.add_argument("--minutes", type=float, metavar="N", help="stop after the operator that is then under way")
    parser.add_argument("--records", type=Path, metavar="FILE", help="where the records are (default: this user's)")
    parser.add_argument("--check", action="store_true", help="only time the networks with and without the records")


def main(args: argparse.Namespace) -> int:
    target = _target(args)
    checkpoint = checkpoints.load_or_make_up(args.size)
    shapes = _shapes(args.input, checkpoint.architecture.resolution)
    path = args.records or tuning_folder() / records.file_name(target.records_name)
    found = records.read(path, target.records_name)
    remote = args.rpc or args.tracker
    if not args.check and not _search(args, checkpoint, shapes, replace(target, tuned={}), found, path):
        return 0
    if remote or target.fault_here():
        print(f"The next main.py compile --target {target.name} on this machine uses {path}.")
        return 0
    for shape in shapes:
        _check(checkpoint, shape, target, found)
    return 0


def _target(args: argparse.Namespace) -> Target:
    if args.threads is not None and not 1 <= args.threads <= 256:
        raise UsageError(f"--threads must be from 1 to 256, not {args.threads}.")
    if args.rpc and args.tracker:
        raise UsageError("--rpc and --tracker exclude each other.")
    if bool(args.tracker) != bool(args.key):
        raise UsageError("--tracker and --key belong together.")
    remote = bool(args.rpc or args.tracker)
    target = targets.load(args.target, args.threads, precision=args.precision, here=not remote)
    if remote and not args.target:
        raise UsageError(f"--target must name the board's target: one of {', '.join(targets.available())}.")
    return target


def _shapes(text: str, resolution: int) -> list[InputShape]:
    if text == "auto":
        return input_shapes(resolution)
    return list(dict.fromkeys(choose_shape(1, 1, resolution, part) for part in text.split(",")))


def _address(text: str, option: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(f"{option} must be HOST:PORT, such as 192.168.1.20:9090, not “{text}”.")
    return host, int(port)


def _search(
    args: argparse.Namespace,
    checkpoint: Checkpoint,
    shapes: list[InputShape],
    target: Target,
    found: Records,
    path: Path,
) -> bool:
    """Whether all operators are done."""
    connect = None
    board = _address(args.rpc, "--rpc") if args.rpc else None
    farm = _address(args.tracker, "--tracker") if args.tracker else None
    with ffi.without_torch():
        from engine.compiler.build import core_of
        from engine.compiler.tuning import measure
        from engine.compiler.tuning.network import operators, tune
    if board:
        connect = measure.board(*board)
    elif farm:
        connect = measure.farm(*farm, args.key)
    core = core_of(target)
    network: Counter[Any] = Counter()
    for shape in shapes:
        network += operators(checkpoint, shape.height, shape.width, core)
    stopwatch = measure.Stopwatch(target, connect)
    print(f"{len(network)} operators of {args.size} for {target.name} with {target.threads} threads; records in {path}")
    entries = found.entries(target.threads)
    started, searched = time.monotonic(), 0
    default_us = best_us = 0.0
    for step in tune(network, core, entries, stopwatch.times):
        entry = entries[step.operator]
        default_us += step.uses * entry["default_us"]
        best_us += step.uses * entry["best_us"]
        if step.found:
            found.save(path)
            searched += 1
            print(_line(step, entry, default_us / best_us, started, searched), flush=True)
        spent = time.monotonic() - started
        if args.minutes is not None and spent > 60 * args.minutes and step.number < step.total:
            left = (step.total - step.number) * spent / max(1, searched)
            print(
                f"Stopped after {spent / 60:.1f} min with {step.total - step.number} operators to go, about {left / 60:.0f} "
                "min; the same command goes on."
            )
            return False
    found.save(path)
    print(
        f"All operators are done; together their best tilings are {default_us / best_us:.3f} times as fast as the rule's."
    )
    return True


def _line(step: Any, entry: dict[str, Any], gain: float, started: float, searched: int) -> str:
    left = (step.total - step.number) * (time.monotonic() - started) / searched
    kind, _, what = step.operator.partition(" ")
    chosen = "rule kept" if entry["default_us"] == entry["best_us"] else json.dumps(entry["tiling"])
    return (
        f"{step.number}/{step.total} {kind} {what}\n"
        f"    {entry['tried']} tried in {step.seconds:.0f} s: {entry['default_us']:.1f} → {entry['best_us']:.1f} µs "
        f"({chosen}); gain so far {gain:.3f}×; about {left / 60:.0f} min to go"
    )


def _check(checkpoint: Checkpoint, shape: InputShape, target: Target, found: Records) -> None:
    """Times the network with the rule's tilings and with the records', in turn."""
    entries = found.entries(target.threads)
    tunings = {"rule": {}, "tuned": {operator: entry["tiling"] for operator, entry in entries.items()}}
    networks = {
        name: CompiledNetwork(
            artifacts.obtain(checkpoint, shape.height, shape.width, replace(target, tuned=tuned)), target.threads
        )
        for name, tuned in tunings.items()
    }
    times: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(CHECK_ROUNDS):
        for name, network in networks.items():
            network.maps()
            started = time.perf_counter()
            network.maps()
            times[name].append(time.perf_counter() - started)
    rule, tuned = (float(np.median(times[name])) * 1e3 for name in ("rule", "tuned"))
    print(
        f"{shape.width}×{shape.height}: {rule:.2f} ms by rule, {tuned:.2f} ms tuned: {rule / tuned:.3f} times as fast"
    )
