"""A network small enough to build in milliseconds, and its relatives."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from models import architecture, checkpoints
from models.architecture import Architecture
from models.checkpoints import Checkpoint
from models.skeleton import COCO_17


def describe(**changes: object) -> Architecture:
    """The small network, with other values for some keys of its YAML."""
    fields = {
        "name": "tiny",
        "resolution": 64,
        "stem": 8,
        "expansion": 2,
        "kernel": 3,
        "stages": [
            {"width": 8, "depth": 2, "stride": 2},
            {"width": 8, "depth": 1, "stride": 2, "kernel": 5},
            {"width": 16, "depth": 2, "stride": 2, "expansion": 3},
            {"width": 16, "depth": 1, "stride": 1, "kernel": 9},
        ],
        "deconv": [8, 12, 8],
        "head_kernel": 3,
    }
    return architecture.from_yaml(yaml.safe_dump(fields | changes), "tiny.yaml")


@pytest.fixture(scope="session")
def tiny() -> Architecture:
    return describe()


@pytest.fixture(scope="session")
def without_fusion() -> Architecture:
    return describe(name="plain", fusion=False)


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny: Architecture) -> Checkpoint:
    return checkpoints.synthetic(tiny, COCO_17, seed=1)


@pytest.fixture(scope="session")
def searched() -> list[Architecture]:
    """Networks at the edges of what a search may try."""
    return [describe(fusion=False), describe(kernel=9, expansion=8, head_kernel=9)]


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Checkpoint], Path]:
    def save(checkpoint: Checkpoint) -> Path:
        path = tmp_path / "weights.safetensors"
        checkpoints.save(checkpoint, path)
        return path

    return save


@pytest.fixture(autouse=True)
def no_imported_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keeps the weights that the person who runs the tests has imported out of them."""
    folder = tmp_path / "imported"
    monkeypatch.setenv("LITEPOSE_WEIGHTS", str(folder))
    return folder
