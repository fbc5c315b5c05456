"""No silent death: what nobody caught, in any thread, becomes a message with its details."""

import logging
import sys
import threading
import traceback
from types import TracebackType

from PyQt6.QtCore import QObject, pyqtSignal

log = logging.getLogger(__name__)


class FailureReporter(QObject):
    """Receives uncaught exceptions of all threads. Its signal arrives in the GUI thread, wherever the exception happened."""

    failed = pyqtSignal(str, str)
    """One sentence, and the traceback."""

    def install(self) -> None:
        """From now on, this is where uncaught exceptions go. PyQt6 would abort the process on one in a slot."""
        sys.excepthook = self._uncaught
        threading.excepthook = self._uncaught_in_thread

    def remove(self) -> None:
        sys.excepthook = sys.__excepthook__
        threading.excepthook = threading.__excepthook__

    def _uncaught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        details = "".join(traceback.format_exception(kind, error, trace))
        log.error("uncaught exception\n%s", details)
        self.failed.emit(f"{kind.__name__}: {error}", details)

    def _uncaught_in_thread(self, caught: threading.ExceptHookArgs) -> None:
        if caught.exc_type is SystemExit or caught.exc_value is None:
            return
        self._uncaught(caught.exc_type, caught.exc_value, caught.exc_traceback)
