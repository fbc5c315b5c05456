"""TVM's pool of workers: how many there are, how long they stay awake, and where they run.

TVM keeps a pool for each thread that runs networks. That thread does the first share of each kernel itself and waits for the
workers with theirs, so all of them have to run at once.
"""

import ctypes
import os
import threading
import time
from pathlib import Path
from typing import Any

# How often a worker without a task looks for one before it sleeps: for about a millisecond, which is longer than the gaps
# inside a network and much shorter than those between frames.
LOOKS = 3000
# How busy other programs may keep the processors, in processors, for workers to be placed; how often that is looked up.
QUIET = 0.3
LOOK_S = 0.5
# What TVM hands to its workers: (number of the task, group, data) -> 0.
_TASK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


def prepare() -> None:
    """To be called before TVM's runtime is loaded.

    The pool can then be given as many workers as there are hardware threads, unpinned and asleep between frames. By itself
    TVM takes half of the hardware threads on x86, pins its workers, which would then fight with the threads that capture,
    draw and paint, and lets them look for tasks for a tenth of a second: at 30 frames a second, they would never sleep.
    """
    os.environ.setdefault("TVM_NUM_THREADS", str(os.cpu_count() or 1))
    os.environ.setdefault("TVM_BIND_THREADS", "0")
    os.environ.setdefault("TVM_THREAD_POOL_SPIN_COUNT", str(LOOKS))


class _Pool(threading.local):
    """The calling thread's pool. beside: the processor that its workers keep clear of, of those that are allowed; -1: none."""

    def __init__(self) -> None:
        self.threads = 0
        self.workers: list[int] = []
        self.allowed: set[int] = set()
        self.beside = -1


class Neighbours:
    """Whether other programs leave the processors alone. Unknown is no."""

    def __init__(self, statistics: Path = Path("/proc/stat")) -> None:
        self._statistics = statistics
        self._quiet = False
        self._looked = 0.0
        self._used: float | None = None

    def quiet(self) -> bool:
        now = time.monotonic()
        if now - self._looked >= LOOK_S:
            before, self._used = self._used, self._used_by_others()
            used = None if before is None or self._used is None else self._used - before
            self._quiet = used is not None and used < QUIET * (now - self._looked)
            self._looked = now
        return self._quiet

    def _used_by_others(self) -> float | None:
        """Seconds of processor time since the system's start; None where nobody says."""
        try:
            with self._statistics.open("rb") as file:
                user, nice, system, _idle, _waiting, *interrupts = map(int, file.readline().split()[1:8])
        except (OSError, ValueError):
            return None
        return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK") - time.process_time()


_pool = _Pool()
_neighbours = Neighbours()
_system: Any = ctypes.CDLL(None) if hasattr(os, "sched_setaffinity") else None


def use(threads: int, tvm_ffi: Any, library: ctypes.CDLL) -> None:
    """To be called before each run of a network. threads: those that share each kernel's tasks, the calling one included.

    On Linux, workers are kept from the processor that the calling thread is on, as long as others leave the processors alone.
    A virtual machine's kernel often wakes them up there, because it takes a processor that sleeps for one that is not to be
    had, and then all shares are done in turn. Beside another busy program it would be the wrong place: a worker that may go
    nowhere else would wait for its turn at every kernel.
    """
    if _pool.threads != threads:
        tvm_ffi.get_global_func("runtime.config_threadpool")(1, threads)
        _pool.threads, _pool.workers, _pool.beside = threads, [], -1
        if _system is not None and threads > 1:
            _pool.workers, _pool.allowed = _workers(library), os.sched_getaffinity(0)
    if _pool.workers:
        _place(_system.sched_getcpu() if _neighbours.quiet() else -1)


def _place(beside: int) -> None:
    """Keeps the workers from a processor; -1: from none."""
    others = _pool.allowed - {beside}
    if beside == _pool.beside or not others:
        return
    _pool.beside = beside
    try:
        for worker in _pool.workers:
            os.sched_setaffinity(worker, others)
    except OSError:  # a sandbox that forbids it: it goes without
        _pool.workers = []


def _workers(library: ctypes.CDLL) -> list[int]:
    """The system's numbers for the calling thread's workers, itself left out."""
    found = []

    def tell(_task: int, _group: int, _data: int) -> int:
        found.append(threading.get_native_id())
        return 0

    library.TVMBackendParallelLaunch(_TASK(tell), None, 0)
    return [number for number in found if number != threading.get_native_id()]
