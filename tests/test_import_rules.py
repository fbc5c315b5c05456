"""Who may import whom: app -> engine -> models, and each heavy library in one room only."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TORCH_ROOMS = (
    "models/calibration.py",
    "models/litepose.py",
    "models/reference.py",
    "models/export.py",
    "models/official.py",
    "models/training/",
)


def imports(path: Path) -> set[str]:
    """Top-level packages that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("models", {"app", "engine", "tvm", "tvm_ffi", "PyQt6"}),
        ("engine", {"app", "PyQt6", "pyqtgraph", "torch"}),
        ("app", {"tvm", "tvm_ffi", "torch", "models.training", "cv2_enumerate_cameras"}),
    ],
)
def test_a_room_keeps_out_what_it_must_not_know(room: str, forbidden: set[str]) -> None:
    assert files(room)
    broken = {str(path.relative_to(ROOT)): imports(path) & forbidden for path in files(room)}
    assert not {path: names for path, names in broken.items() if names}


def test_only_the_compiler_knows_tvm() -> None:
    knowing = [path.relative_to(ROOT).as_posix() for path in files("engine") if imports(path) & {"tvm", "tvm_ffi"}]
    assert knowing
    assert all(path.startswith("engine/compiler/") for path in knowing)


def test_torch_lives_in_its_rooms() -> None:
    knowing = [path.relative_to(ROOT).as_posix() for path in files("models") if "torch" in imports(path)]
    assert knowing
    assert all(path.startswith(TORCH_ROOMS) for path in knowing), knowing
