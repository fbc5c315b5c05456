"""The program from its start to its end, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Runs the window and ends its loop behind its back, as Qt does when the screen goes away.
ENDS_WITHOUT_CLOSING = """
import sys, threading, time
from app import launch
from PyQt6.QtCore import QCoreApplication
import main

def end():
    while QCoreApplication.instance() is None:
        time.sleep(0.1)
    time.sleep(2)
    QCoreApplication.exit(3)

threading.Thread(target=end).start()
sys.exit(main.main(["--source", "demo"]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a screen")
def test_without_a_screen_it_says_so_instead_of_crashing() -> None:
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in screens}
    command = [sys.executable, str(ROOT / "main.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: There is no screen")
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_loop_that_ends_without_the_window_being_closed_ends_without_a_crash(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {
        **os.environ, "QT_QPA_PLATFORM": "offscreen", "LITEPOSE_CONFIG": str(tmp_path), "TMPDIR": str(temporary),
    }  # fmt: skip
    command = [sys.executable, "-X", "faulthandler", "-c", ENDS_WITHOUT_CLOSING]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (3, "")
    assert not list(temporary.iterdir())
