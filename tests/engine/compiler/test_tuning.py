"""The search for tilings, with made-up times where the machine's own would decide otherwise from day to day."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from engine.compiler import records, targets, tiling
from engine.compiler.kernels.bottleneck import Bottleneck
from engine.compiler.kernels.expand_depthwise import ExpandDepthwise
from engine.compiler.kernels.head import Head, UpsampledHead
from engine.compiler.kernels.pointwise import Pointwise, PointwiseTiling
from engine.compiler.kernels.stem import Stem
from engine.compiler.kernels.upsampler import Deconv
from engine.compiler.records import Records
from engine.compiler.tiling import Core
from engine.compiler.tilings import KERNELS, Tilings, build, from_json, key, to_json
from engine.compiler.tuning import measure, space
from engine.compiler.tuning.network import operators, tune
from engine.compiler.tuning.search import search
from engine.errors import CompilerError
from models import checkpoints

CORE = Core(8, 16, 2, 1 << 18)
INNER = ExpandDepthwise(16, 96, 32, 48, 7, 1)
HEAD = Head((24, 16), 34, 32, 48, 5)
OPERATORS = [
    Stem(64, 96, 32, 16),
    Bottleneck(INNER, 16, residual=True),
    INNER,
    Pointwise(96, 16, 32 * 48, residual=True),
    Deconv((24, 16), 24, 16, 24),
    UpsampledHead(Deconv((24, 16), 24, 16, 24), HEAD, keep=True),
]


def first_choice(op: Any) -> Any:
    return tiling.whole_bottleneck(op, CORE) if isinstance(op, Bottleneck) else tiling.default(op, CORE)


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: type(op).__name__)
def test_every_operator_has_alternatives_that_its_kernel_takes(op: Any) -> None:
    for vary in space.choices(op, CORE):
        options = list(vary(first_choice(op)))
        fits = 0
        for option in options:
            try:
                KERNELS[type(op)](op, option, CORE.lanes, "kernel")
                fits += 1
            except ValueError:
                continue
        assert fits >= 2
        assert len(options) <= space.MOST


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: type(op).__name__)
def test_tilings_survive_the_way_through_a_file(op: Any) -> None:
    chosen = first_choice(op)
    assert from_json(type(op).__name__, json.loads(json.dumps(to_json(chosen)))) == chosen


def test_a_search_finds_what_is_faster_and_keeps_the_rule_otherwise() -> None:
    op = Pointwise(96, 64, 1024, residual=False)

    assert search(op, CORE, lambda kernels: [10.0] * len(kernels)).tiling == tiling.default(op, CORE)
    found = search(op, CORE, lambda kernels: [10.0] + [5.0] * (len(kernels) - 1))
    assert found.tiling != tiling.default(op, CORE)
    assert (found.default_us, found.best_us) == (10.0, 5.0)
    assert found.tried > 5


def test_a_search_goes_on_where_it_was_stopped() -> None:
    network = operators(checkpoints.load("xs"), 64, 64, CORE)
    asked: list[int] = []

    def times(kernels: Sequence[Any]) -> list[float]:
        asked.append(len(kernels))
        return [10.0] * len(kernels)

    entries: records.Entries = {}
    steps = tune(network, CORE, entries, times)
    first = [next(steps), next(steps)]
    assert [step.number for step in first] == [1, 2]
    assert len(entries) == 2
    steps.close()
    rest = list(tune(network, CORE, entries, times))
    assert [step.found is None for step in rest] == [True, True] + [False] * (len(network) - 2)
    before = len(asked)
    assert all(step.found is None for step in tune(network, CORE, entries, times))
    assert len(asked) == before


def test_a_bottleneck_becomes_two_kernels_where_those_are_faster() -> None:
    op = OPERATORS[1]
    halves = [op.inner, Pointwise(96, 16, 32 * 48, residual=True)]
    network = Counter(dict.fromkeys([op, *halves], 1))
    entries: records.Entries = {}

    def times(kernels: Sequence[Any]) -> list[float]:
        whole = len(kernels[0].params) == 8
        return [100.0 if whole else 20.0] * len(kernels)

    list(tune(network, CORE, entries, times))
    assert entries[key(op)]["tiling"] is None
    assert entries[key(op)]["two_kernels_us"] == 40.0
    assert Tilings(CORE, {key(op): None})(op) is None


def test_a_tuned_tiling_that_makes_no_sense_is_left_aside(caplog: pytest.LogCaptureFixture) -> None:
    op = Pointwise(96, 64, 1024, residual=False)
    good = PointwiseTiling(tiling.Tile(2, 4), 64)
    for bad in (7, {"tile": 3}, {"tile": {"vectors": 0, "pixels": 4}, "pixels_per_task": 64}, None):
        caplog.clear()
        assert Tilings(CORE, {key(op): bad})(op) == tiling.default(op, CORE)
        assert "left aside" in caplog.text
    assert Tilings(CORE, {key(op): to_json(good)})(op) == good
    unfit = replace(good, pixels_per_task=1000)  # does not divide the pixels
    assert Tilings(CORE, {key(op): to_json(unfit)})(op) == tiling.default(op, CORE)


def test_records_are_written_whole_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "target.json"
    found = Records("rpi5")
    found.entries(4)["Stem {}"] = {"tiling": None, "best_us": 3.5}
    found.save(path)
    assert records.read(path, "rpi5") == found
    assert records.read(tmp_path / "none.json", "rpi5") == Records("rpi5")
    assert [file.name for file in path.parent.iterdir()] == ["target.json"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "nonsense", '{"format": 9, "target": "rpi5", "threads": {}}', "[" * 100_000]
)
def test_records_that_are_something_else_are_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "rpi5.json"
    path.write_text(content)
    with pytest.raises(CompilerError, match=r"rpi5\.json"):
        records.read(path, "rpi5")
    assert records.tuned("rpi5", 4, tmp_path) == {}


def test_a_users_records_change_what_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITEPOSE_CACHE", str(tmp_path))
    before = targets.load(threads=3)
    own = Records(before.name)
    own.entries(3)["Stem {}"] = {"tiling": {"rows": 2}}
    own.save(tmp_path / "tuning" / records.file_name(before.name))
    after = targets.load(threads=3)
    assert after.tuned["Stem {}"] == {"rows": 2}
    assert after.identity() != before.identity()
    assert targets.load(threads=5).tuned == before.tuned or "Stem {}" not in targets.load(threads=5).tuned


@dataclass(frozen=True, slots=True)
class Board:
    """process: the group that a server runs in. port: where it listens."""

    process: int
    port: int


def one_kernel(lanes: int) -> Any:
    op = Pointwise(16, 16, 256, residual=False)
    return KERNELS[Pointwise](op, PointwiseTiling(tiling.Tile(1, 8), 64), lanes, "kernel")


@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_kernels_are_tried_in_what_the_core_computes_in(kind: str) -> None:
    op = Pointwise(16, 16, 256, residual=False)
    kernel = build(op, PointwiseTiling(tiling.Tile(1, 8), 64), replace(CORE, elements=kind), "kernel")
    assert {str(buffer.dtype) for buffer in kernel.params} == {kind}
    assert {str(values.dtype) for values in measure._arguments(kernel)} == {kind}


def test_kernels_are_timed_on_this_machine() -> None:
    target = targets.load(threads=2)
    times = measure.Stopwatch(target).times([one_kernel(target.lanes)] * 2)
    assert len(times) == 2
    assert all(0 < time < 1e6 for time in times)


COUNT_THREADS = """
from engine.compiler import targets
from engine.compiler.tuning.measure import Stopwatch
import tvm
Stopwatch(targets.load(threads=2))
tvm.get_global_func("runtime.config_threadpool")(1, 2)
print(tvm.get_global_func("runtime.NumThreads")())
"""


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two hardware threads")
def test_kernels_are_timed_on_as_many_threads_as_networks_run_on() -> None:
    done = subprocess.run([sys.executable, "-c", COUNT_THREADS], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "2"


@pytest.fixture
def board() -> Iterator[Board]:
    """TVM's RPC server on this machine."""
    command = [
        sys.executable,
        "-m",
        "tvm.exec.rpc_server",
        "--host",
        "127.0.0.1",
        "--port",
        "29090",
        "--port-end",
        "29290",
    ]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True
    )
    try:
        yield Board(server.pid, _port(server))
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
        server.communicate()


def _port(server: "subprocess.Popen[str]") -> int:
    assert server.stdout
    for line in server.stdout:
        if "bind to" in line:
            time.sleep(0.5)  # it says so a moment before it listens
            return int(line.rsplit(":", 1)[1])
    raise AssertionError("the server ended")


def test_a_board_that_stops_answering_is_named(board: Board) -> None:
    target = targets.load(threads=1)
    with pytest.raises(CompilerError, match="cannot be reached"):
        measure.Stopwatch(target, measure.board("127.0.0.1", 9))
    stopwatch = measure.Stopwatch(target, measure.board("127.0.0.1", board.port))
    for _ in range(3):  # a library may lie under an earlier one's name only if nobody has that mapped
        assert stopwatch.times([one_kernel(target.lanes)])[0] > 0
    os.killpg(board.process, signal.SIGKILL)
    time.sleep(0.2)
    with pytest.raises(CompilerError, match="stopped answering"):
        stopwatch.times([one_kernel(target.lanes)])


def test_a_search_may_take_longer_than_a_session(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "SESSION_S", 4.0)
    monkeypatch.setattr(measure, "RENEWED_S", 1.0)
    target = targets.load(threads=1)
    stopwatch = measure.Stopwatch(target, measure.board("127.0.0.1", board.port))
    started = time.monotonic()
    while time.monotonic() - started < 6.0:
        assert stopwatch.times([one_kernel(target.lanes)])[0] > 0
