"""A few inputs for each target of `python -m tests.fuzz`, always the same ones, so that a suite stays fast and repeatable."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from app import preferences
from engine.compiler import library, targets
from engine.errors import LitePoseError, SourceError
from engine.evaluation import report
from engine.keypoint_files import read_keypoints
from models import manifest
from models.skeleton import COCO_17
from models.training import annotations
from models.training import settings as settings_of_training
from tests.fuzz.__main__ import TARGETS
from tests.fuzz.target import checking

INPUTS = 25


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_is_read_ends_in_a_result_or_a_sentence(name: str) -> None:
    target = TARGETS[name]
    with checking(target) as check:
        few = settings(
            max_examples=INPUTS, database=None, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
        )  # fmt: skip
        few(given(target.inputs())(check))()


DEEP = b"[" * 20_000


def test_a_list_nested_too_deeply_is_told_and_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "metadata.json"
    path.write_bytes(DEEP)
    (tmp_path / "network.so").write_bytes(b"\x7fELF")
    assert "nested too deeply" in str(library.fault(tmp_path))
    with pytest.raises(SourceError, match="line 1, is not a frame of keypoints: it is nested too deeply"):
        list(read_keypoints(path))
    for read in (settings_of_training.load, lambda path: annotations.read(path, COCO_17), report.read_matches):
        with pytest.raises(LitePoseError, match=re.escape(str(path))):
            read(path)


@pytest.mark.parametrize("content", [DEEP, b"2026-99-99"])
def test_yaml_that_only_its_reader_stumbles_over_is_told(tmp_path: Path, content: bytes) -> None:
    """A date that does not exist is a ValueError of Python, not one of YAML."""
    for name, read in (
        ("board.yaml", lambda path: targets.load(str(path), here=False)),
        ("run.yaml", settings_of_training.load),
        ("manifest.yaml", lambda path: manifest.read(path.parent)),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(LitePoseError, match=name):
            read(tmp_path / name)
    path = tmp_path / "preferences.yaml"
    path.write_bytes(content)
    found, problem = preferences.load(path)
    assert found == preferences.Preferences()
    assert problem is not None
    assert "set aside" in problem
