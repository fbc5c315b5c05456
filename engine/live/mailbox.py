"""One slot between two threads: the newest item replaces the waiting one, and what was replaced is counted."""

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Nothing queues: whoever takes gets the newest item there is. Closed, it is empty for good and nobody waits at it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: list[T] = []
        self._dropped = 0
        self._closed = False

    @property
    def dropped(self) -> int:
        """Items that a newer one replaced before they were taken."""
        return self._dropped

    def put(self, item: T) -> None:
        """Never waits."""
        with self._changed:
            if self._closed:
                return
            self._dropped += len(self._item)
            self._item = [item]
            self._changed.notify_all()

    def wait_until_free(self, timeout_s: float) -> bool:
        """For a producer that is alone and loses nothing: -> whether nothing is waiting any more."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._item, timeout_s)

    def close(self) -> None:
        """Wakes everybody; what is waiting is let go."""
        with self._changed:
            self._closed = True
            self._item = []
            self._changed.notify_all()

    def take(self, timeout_s: float) -> T | None:
        """The newest item, waiting for one; None where none came in time or none will come any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._item or self._closed, timeout_s)
            if not self._item:
                return None
            item = self._item.pop()
            self._changed.notify_all()
            return item
