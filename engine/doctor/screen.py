"""Whether the window can open."""

import os
import re
import subprocess
import sys

from engine.doctor.findings import Finding, State

PROBE_S = 30.0
WITHOUT = "main.py run and main.py live work without"
# Qt belongs to the window, so it is not imported here; and where it does not fit, it ends the process that loads it.
PROBE = """
import app.qt_environment
from PyQt6.QtWidgets import QApplication
application = QApplication([])
screen = application.primaryScreen()
size = screen.size()
print(application.platformName(), f"{size.width()}×{size.height()}", f"{screen.refreshRate():.0f} Hz", sep=", ")
"""
# Library that Qt misses -> Debian's package.
DEBIAN = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
}
XCB = "libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xkb1 libxkbcommon-x11-0"
VARIABLES = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")


def examine() -> list[Finding]:
    set_ones = [f"{name}={os.environ[name]}" for name in VARIABLES if os.environ.get(name)]
    if sys.platform == "linux" and not set_ones:
        return [Finding("screen", f"none: {', '.join(VARIABLES[:2])} are not set", State.NOTE, WITHOUT)]
    return [Finding("screen", ", ".join(set_ones) or "the system's own"), window(PROBE)]


def window(script: str) -> Finding:
    """Opens no window, but all that one needs."""
    # The folder of our packages is where this process found them.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", script]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_S, check=False, env=environment)
    except subprocess.TimeoutExpired:
        return Finding("window", f"the screen does not answer within {PROBE_S:.0f} s", State.NOTE, WITHOUT)
    if done.returncode == 0:
        return Finding("window", done.stdout.strip().splitlines()[-1])
    said = done.stderr.strip().splitlines()
    return Finding("window", f"cannot open: {_cause(said)}", State.FAULT, _remedy(done.stderr))


def _cause(lines: list[str]) -> str:
    telling = [line for line in lines if re.search(r"Error|cannot|could not|xcb", line, re.IGNORECASE)]
    return (telling or lines or ["no message"])[-1].strip()


def _remedy(said: str) -> str:
    for library, package in DEBIAN.items():
        if library in said:
            return f"sudo apt install {package}"
    if "platform plugin" in said and "xcb" in said:
        return f"sudo apt install {XCB}"
    if "PyQt6" in said:
        return "pip install --force-reinstall PyQt6"
    return WITHOUT
