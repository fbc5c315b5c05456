"""Which modules a module needs."""

from pathlib import Path

import pytest

from engine.module_closure import closure


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_modules_are_followed_and_packages_are_not(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "engine/__init__.py": "import heavy",
            "engine/start.py": "import json\nfrom engine.parts import middle, limit\nfrom engine.alone import word\n",
            "engine/parts/__init__.py": "limit = 3",
            "engine/parts/middle.py": "def f():\n    from models import last\n",
            "engine/parts/unused.py": "import torch",
            "engine/alone.py": "import numpy.typing\n",
            "models/last.py": "import engine.start\n",
        },
    )
    found = closure(tmp_path, "engine.start")
    assert set(found.own) == {"engine.start", "engine.parts", "engine.parts.middle", "engine.alone", "models.last"}
    assert found.own["engine.parts"] == tmp_path / "engine/parts/__init__.py"
    assert found.foreign == {"json", "numpy"}


def test_a_module_that_is_missing_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"engine/start.py": "import engine.gone\n"})
    with pytest.raises(ValueError, match=r"engine\.gone"):
        closure(tmp_path, "engine.start")
