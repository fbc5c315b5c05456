"""Timing of single kernels, on this machine or on a board behind TVM's RPC server."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tvm
from tvm import rpc, tirx

from engine.compiler import workers
from engine.compiler.linking import linker
from engine.compiler.targets import Target
from engine.errors import CompilerError

ROUNDS, REPEATS = 12, 3  # candidates take turns, so that what slows the machine for a while slows all of them
# A server ends a session, however busy, when it is this old: so that a program that hangs does not keep a board. A search
# takes longer, and opens the next one before.
SESSION_S, RENEWED_S = 3600.0, 1800.0
Connect = Callable[[], Any]  # -> tvm.rpc.RPCSession


def board(host: str, port: int) -> Connect:
    """A board that runs TVM's RPC server (python -m tvm.exec.rpc_server)."""
    return lambda: rpc.connect(host, port, session_timeout=SESSION_S)


def farm(host: str, port: int, key: str) -> Connect:
    """Any free board that TVM's tracker (python -m tvm.exec.rpc_tracker) knows under `key`."""
    return lambda: rpc.connect_tracker(host, port).request(key, session_timeout=SESSION_S)


class Stopwatch:
    """Times kernels with caches that other work has used in between, as in a network.

    connect: to a board; None for this machine. Raises CompilerError where the board cannot be reached.
    """

    def __init__(self, target: Target, connect: Connect | None = None) -> None:
        workers.prepare()
        self._target, self._connect = target, connect
        self._tvm_target = tvm.target.Target({**target.tvm, "num-cores": target.threads})
        self._session: Any = None
        self._opened = 0.0
        self._uploads = 0
        if connect:
            self._session = self._reach()

    def _reach(self) -> Any:
        assert self._connect
        self._opened = time.monotonic()
        try:
            return self._connect()
        except Exception as error:  # TVM raises RuntimeError, socket errors and its own kinds
            raise CompilerError(
                f"The board cannot be reached: {_first_line(error)}. Is python -m tvm.exec.rpc_server running there, and "
                "the port open?"
            ) from error

    def times(self, kernels: Sequence[tirx.PrimFunc]) -> list[float]:
        """Median time of each kernel in µs. All have the same arguments, the last of which is the output."""
        with tempfile.TemporaryDirectory(prefix="litepose-tune-") as folder:
            path = Path(folder) / "kernels.so"
            named = {
                f"kernel_{i}": kernel.with_attr("global_symbol", f"kernel_{i}") for i, kernel in enumerate(kernels)
            }
            library = tvm.compile(tvm.IRModule(named), target=self._tvm_target)
            library.export_library(str(path), fcompile=linker(self._target.triple))
            if self._session is not None and time.monotonic() - self._opened > RENEWED_S:
                self._session = None  # a server has one session at a time
                self._session = self._reach()
            try:
                return self._run(path, list(named), kernels[0])
            except CompilerError:
                raise
            except Exception as error:
                if self._session is None:
                    raise
                raise CompilerError(
                    f"The board stopped answering: {_first_line(error)}. What was found is kept; start the same command "
                    "again to go on."
                ) from error

    def _run(self, path: Path, names: list[str], like: tirx.PrimFunc) -> list[float]:
        if self._session is None:
            module, device, function = tvm.runtime.load_module(str(path)), tvm.cpu(0), tvm.get_global_func
        else:
            # Never under the name of an earlier library: the board may still have that one's pages mapped.
            self._uploads += 1
            name = f"{self._uploads}-{path.name}"
            self._session.upload(bytearray(path.read_bytes()), target=name)
            module, device = self._session.load_module(name), self._session.cpu(0)
            self._session.remove(name)
            function = self._session.get_function
        function("runtime.config_threadpool")(1, self._target.threads)
        arguments = [tvm.runtime.tensor(values, device) for values in _arguments(like)]
        timers = [
            module.time_evaluator(
                name, device, number=1, repeat=REPEATS, cache_flush_bytes=self._target.second_level_bytes
            )
            for name in names
        ]
        rounds = [[np.median(timer(*arguments).results) for timer in timers] for _ in range(ROUNDS)]
        return [float(time) * 1e6 for time in np.median(np.array(rounds), axis=0)]


def _arguments(kernel: tirx.PrimFunc) -> list[Any]:
    rng = np.random.default_rng(0)
    buffers = kernel.params  # each parameter is its buffer
    shapes = [(tuple(int(n) for n in buffer.shape), str(buffer.dtype)) for buffer in buffers]

    def values(shape: tuple[int, ...], dtype: str) -> Any:
        if "int" in dtype:
            return rng.integers(0, 128, shape, dtype)
        return (rng.random(shape, np.float32) - np.float32(0.5)).astype(dtype)

    return [values(shape, dtype) for shape, dtype in shapes]


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__).rstrip(".")
