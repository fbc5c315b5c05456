"""The program in the desktop's menu."""

import configparser
import shlex
import stat
import sys
from pathlib import Path

import pytest

import main
from app import desktop_entry
from engine.errors import LitePoseError

pytestmark = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="other systems have other menus")


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    return tmp_path / "share"


def command_of(share: Path) -> list[str]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read(share / "applications/litepose-live.desktop", encoding="utf-8")
    # As strings of such a file are read; a shell's words keep a backslash before a dollar sign, Exec's do not.
    text = parser["Desktop Entry"]["Exec"].replace("\\\\", "\\").replace("\\$", "$")
    return shlex.split(text)


def test_the_entry_starts_this_copy(
    share: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["main.py"])
    assert main.main(["--install-desktop"]) == 0
    python, script, *rest = command_of(share)
    assert python == sys.executable
    assert Path(script) == Path(main.__file__)
    assert rest == ["--source", "%f"]
    assert (share / "icons/hicolor/scalable/apps/litepose-live.svg").read_bytes().startswith(b"<svg")
    assert str(share / "applications/litepose-live.desktop") in capsys.readouterr().out


def test_the_entry_starts_the_installed_command_even_from_a_strange_folder(
    share: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "my $programs" / "litepose-live"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "argv", [str(script)])
    desktop_entry.install()
    assert command_of(share) == [str(script), "--source", "%f"]


def test_what_was_installed_can_be_removed(share: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--install-desktop"]) == 0
    assert main.main(["--remove-desktop"]) == 0
    assert not [path for path in share.rglob("litepose-live*") if path.is_file()]
    assert main.main(["--remove-desktop"]) == 0
    assert "Nothing there" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "share").write_text("in the way")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    with pytest.raises(LitePoseError, match="cannot be written"):
        desktop_entry.install()
