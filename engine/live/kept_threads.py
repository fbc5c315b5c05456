"""Threads that are kept for the next session.

TVM gives every thread that ever ran a network helpers of its own and keeps them until the process ends. A program that
starts and stops sessions all day would collect them, so networks run in threads that outlive a session and are used again.
"""

import logging
import queue
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)


class KeptTask:
    """One function that runs in a kept thread; to be joined like a thread."""

    def __init__(self, name: str, function: Callable[[], None]) -> None:
        self.name = name
        self._function = function
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def run(self) -> None:
        self._thread = threading.current_thread()
        try:
            self._function()
        except Exception:
            # The function reports its own failures; this one was in the reporting.
            logger.exception("%s ended by an error", self.name)

    def end(self) -> None:
        """Its thread is free again; whoever joins goes on."""
        self._ended.set()

    def join(self, timeout_s: float | None = None) -> None:
        """Does not wait for itself."""
        if self._thread is not threading.current_thread():
            self._ended.wait(timeout_s)

    def is_alive(self) -> bool:
        return not self._ended.is_set()


class KeptThreads:
    """Runs functions in threads of one name, a new one only where none is free."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._free: list[queue.SimpleQueue[KeptTask]] = []
        self._made = 0

    def start(self, function: Callable[[], None]) -> KeptTask:
        task = KeptTask(self._name, function)
        with self._lock:
            if self._free:
                orders = self._free.pop()
            else:
                orders = queue.SimpleQueue()
                self._made += 1
                # A daemon: an idle one must not keep the program from ending.
                name = f"{self._name}-{self._made}"
                threading.Thread(target=self._work, args=(orders,), name=name, daemon=True).start()
            orders.put(task)
        return task

    def _work(self, orders: "queue.SimpleQueue[KeptTask]") -> None:
        while True:
            task = orders.get()
            task.run()
            # Before anybody hears of the end: the next task, which may come at once, is for this thread.
            with self._lock:
                self._free.append(orders)
            task.end()
            del task


NETWORK_THREADS = KeptThreads("litepose-network")
