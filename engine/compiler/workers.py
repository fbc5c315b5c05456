"""TVM's pool of workers: how many there are, how long they stay awake, and where they run.

TVM keeps a pool for each thread that runs networks. That thread does the first share of each kernel itself and waits for the
workers with theirs, so all of them have to run at once.
"""

import ctypes
import os
import threading
from typing import Any

# How often a worker without a task looks for one before it sleeps: for about a millisecond, which is longer than the gaps
# inside a network and much shorter than those between frames.
LOOKS = 3000
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
    """The calling thread's pool. beside: the processor that its workers keep clear of, of those that are allowed."""

    def __init__(self) -> None:
        self.threads = 0
        self.workers: list[int] = []
        self.allowed: set[int] = set()
        self.beside = -1


_pool = _Pool()
_system: Any = ctypes.CDLL(None) if hasattr(os, "sched_setaffinity") else None


def use(threads: int, tvm_ffi: Any, library: ctypes.CDLL) -> None:
    """To be called before each run of a network. threads: those that share each kernel's tasks, the calling one included.

    On Linux, workers are kept from the processor that the calling thread is on. A virtual machine's kernel often wakes them
    up there, because it takes a processor that sleeps for one that is not to be had, and then all shares are done in turn.
    """
    if _pool.threads != threads:
        tvm_ffi.get_global_func("runtime.config_threadpool")(1, threads)
        _pool.threads, _pool.workers, _pool.beside = threads, [], -1
        if _system is not None and threads > 1:
            _pool.workers, _pool.allowed = _workers(library), os.sched_getaffinity(0)
    if _pool.workers:
        _keep_clear()


def _keep_clear() -> None:
    here = _system.sched_getcpu()
    others = _pool.allowed - {here}
    if here == _pool.beside or not others:
        return
    _pool.beside = here
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
