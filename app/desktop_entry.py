"""The program in the desktop's menu: for installations in an environment of their own, which no desktop looks into. No Qt."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from engine.errors import LitePoseError

ASSETS = Path(__file__).resolve().parents[1] / "assets"
NAME = "litepose-live"
ENTRY, ICON = Path(f"applications/{NAME}.desktop"), Path(f"icons/hicolor/scalable/apps/{NAME}.svg")


def data_folder() -> Path:
    """Where a user's programs put what the desktop shows (the XDG base directory specification)."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")


def install() -> list[Path]:
    """Writes the entry, which starts the program that is running now, and its icon. -> both. Raises LitePoseError."""
    _expect_freedesktop()
    entry, icon = data_folder() / ENTRY, data_folder() / ICON
    lines = (ASSETS / ENTRY.name).read_text(encoding="utf-8").splitlines()
    text = "\n".join(f"Exec={_command()} --source %f" if line.startswith("Exec=") else line for line in lines)
    try:
        for path in (entry, icon):
            path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ASSETS / "icon.svg", icon)
        entry.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise LitePoseError(f"The entry cannot be written into “{data_folder()}”: {error.strerror}.") from error
    _refresh()
    return [entry, icon]


def remove() -> list[Path]:
    """-> what was there and is gone now. Raises LitePoseError."""
    _expect_freedesktop()
    found = [path for path in (data_folder() / ENTRY, data_folder() / ICON) if path.exists()]
    try:
        for path in found:
            path.unlink()
    except OSError as error:
        raise LitePoseError(f"The entry cannot be removed from “{data_folder()}”: {error.strerror}.") from error
    _refresh()
    return found


def _expect_freedesktop() -> None:
    if sys.platform in ("win32", "darwin"):
        raise LitePoseError(
            "Entries of this kind are for desktops on Linux and BSD. Here, make a shortcut to litepose-live."
        )


def _command() -> str:
    """The installed command, or this copy's main.py, quoted as the desktop entry specification wants it."""
    script = Path(sys.argv[0])
    installed = script.stem == NAME and (shutil.which(str(script)) or shutil.which(NAME))
    words = [str(Path(installed).absolute())] if installed else [sys.executable, str(ASSETS.parent / "main.py")]
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    for character in '\\"`$':
        word = word.replace(character, "\\" + character)
    # A percent sign begins a field code, and a backslash is read once more as in every string of such a file.
    return '"' + word.replace("%", "%%").replace("\\", "\\\\") + '"'


def _refresh() -> None:
    """So that video files offer the program at once; a desktop without this tool finds out by itself."""
    tool = shutil.which("update-desktop-database")
    if tool is not None:
        subprocess.run([tool, str(data_folder() / ENTRY.parent)], capture_output=True, check=False)
