"""Which linker is used, for this machine and for others."""

import shutil
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from engine.compiler import linking
from engine.errors import CompilerError


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of the programs and packages that this machine seems to have; none to begin with."""
    names: set[str] = set()
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if name in names else None)
    monkeypatch.setattr(
        linking.importlib.util, "find_spec", lambda name: ModuleSpec(name, None) if name in names else None
    )
    return names


def test_the_systems_compiler_comes_first(installed: set[str]) -> None:
    installed |= {"gcc", "ziglang", "aarch64-linux-gnu-gcc"}
    assert linking.find_linker() == ["/usr/bin/gcc"]
    assert linking.find_linker("aarch64-linux-gnu") == ["/usr/bin/aarch64-linux-gnu-gcc"]


@pytest.mark.parametrize(
    ("triple", "zigs_name"),
    [
        ("aarch64-linux-gnu", "aarch64-linux-gnu.2.28"),
        ("x86_64-linux-gnu", "x86_64-linux-gnu.2.28"),
        ("arm64-apple-macos", "aarch64-macos"),
    ],
)
def test_zig_links_for_every_machine(installed: set[str], triple: str, zigs_name: str) -> None:
    installed |= {"gcc", "ziglang"}
    assert linking.find_linker(triple) == [sys.executable, "-m", "ziglang", "cc", "-target", zigs_name]


def test_zig_links_for_this_machine_too(installed: set[str]) -> None:
    installed.add("ziglang")
    assert linking.find_linker() == [sys.executable, "-m", "ziglang", "cc"]


@pytest.mark.parametrize(
    ("triple", "hint"),
    [
        ("", "apt install gcc"),
        ("aarch64-linux-gnu", "gcc-aarch64-linux-gnu"),
        ("x86_64-linux-gnu", "gcc-x86-64-linux-gnu"),
    ],
)
def test_without_a_linker_the_message_says_what_to_install(installed: set[str], triple: str, hint: str) -> None:
    with pytest.raises(CompilerError, match="ziglang") as error:
        linking.find_linker(triple)
    assert hint in str(error.value)


def test_what_the_linker_says_is_told(tmp_path: Path) -> None:
    with pytest.raises(CompilerError, match=r"failed: .*nowhere"):
        linking.linker()(str(tmp_path / "out.so"), [str(tmp_path / "nowhere.o")], None)
