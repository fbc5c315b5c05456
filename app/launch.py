"""Opens the window: `main.py` without a command."""

import app.qt_environment  # noqa: F401, I001  before the first module of PyQt6

import argparse
import gc
import logging
import os
import signal
import tempfile
from pathlib import Path
from types import FrameType

from PyQt6 import sip
from PyQt6.QtCore import QCoreApplication, QObject, QTimer
from PyQt6.QtWidgets import QApplication, QWidget

from app import desktop_entry, preferences, translation
from app.appearance import Appearance
from app.failures import FailureReporter
from app.icons import application_icon
from app.live_worker import LiveWorker
from app.main_window import MainWindow
from app.options import OVERRIDING
from app.preference_store import PreferenceStore
from app.qt_environment import expect_display
from app.session_options import live_options

AWAKE_MS = 200
log = logging.getLogger(__name__)


def main(args: argparse.Namespace) -> int:
    """Shows the window until it is closed. Returns the exit code. args: those of app.options."""
    if args.install_desktop or args.remove_desktop:
        paths = desktop_entry.install() if args.install_desktop else desktop_entry.remove()
        print(
            "\n".join(
                [f"{'Written' if args.install_desktop else 'Removed'}: {path}" for path in paths] or ["Nothing there."]
            )
        )
        return 0
    expect_display()
    QApplication.setApplicationName("litepose-live")
    QApplication.setApplicationDisplayName("LitePose Live")
    QApplication.setDesktopFileName("litepose-live")
    application = QApplication(["litepose-live"])  # the window class, by which a desktop finds the entry and its icon
    application.setWindowIcon(application_icon())
    reporter = FailureReporter()
    reporter.install()
    try:
        with tempfile.TemporaryDirectory(prefix="litepose-live-") as folder:
            return show(application, reporter, args, Path(folder))
    finally:
        reporter.remove()
        delete_qt_objects()


def show(application: QApplication, reporter: FailureReporter, args: argparse.Namespace, folder: Path) -> int:
    """One window, until it is closed or its screen goes away. folder: for what it needs meanwhile. -> the exit code"""
    given = {name: value for name in OVERRIDING if (value := getattr(args, name, None)) is not None}
    store = PreferenceStore(args.preferences or preferences.default_path(), given)
    translation.install(application, store.current.language)
    appearance = Appearance(application, store.current.theme, folder)
    window = MainWindow(store, LiveWorker(live_options(store.current)), appearance)
    reporter.failed.connect(window.show_error)
    waker = close_on_signals(window)
    window.show()
    QTimer.singleShot(0, window.start)
    code = application.exec()
    waker.stop()
    # Not every end comes by way of the window: a screen that goes away ends the loop as well.
    if not window.finish():
        log.warning("The session did not end in time; the program ends without it.")
        os._exit(code or 1)  # Python's own end would destroy a thread that runs, and crash
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return code


def delete_qt_objects() -> None:
    """Deletes what Python owns of Qt, windows first, except the application; all threads have ended.

    PyQt6 does so at the end of Python, too, but walks over a table that shrinks meanwhile: now and then it deletes what is
    gone already, and ends in a segmentation fault.
    """
    owned = [
        thing
        for thing in gc.get_objects()
        if issubclass(type(thing), QObject) and not isinstance(thing, QCoreApplication)
    ]
    for thing in sorted(owned, key=lambda thing: not isinstance(thing, QWidget)):
        if not sip.isdeleted(thing) and sip.ispyowned(thing):
            sip.delete(thing)


def close_on_signals(window: MainWindow) -> QTimer:
    """Ctrl-C and SIGTERM close the window as its button does. -> the timer that must live on.

    Python runs signal handlers only between its own instructions; the timer sees to it that some come along.
    """

    def close(number: int, frame: FrameType | None) -> None:
        QTimer.singleShot(0, window.close)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, close)
    timer = QTimer(window)
    timer.timeout.connect(lambda: None)
    timer.start(AWAKE_MS)
    return timer
