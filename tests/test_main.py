"""The one entry point."""

import sys

import pytest

import main
from engine.version import VERSION


def test_it_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"LitePose Live {VERSION}\n"


@pytest.mark.parametrize(
    ("started", "name"),
    [("/usr/bin/litepose-live", "litepose-live"), ("x/litepose-live.exe", "litepose-live"), ("main.py", "main.py")],
)
def test_it_calls_itself_what_the_user_typed(
    started: str, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [started])
    with pytest.raises(SystemExit) as ended:
        main.main(["run"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"usage: {name} run")
