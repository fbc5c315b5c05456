"""The cache does not grow for ever, and nothing that may still be used is taken from it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.compiler import library, pruning
from engine.compiler.versions import gpu_version, kernels_version, tvm_version
from models import checkpoints

KEY = "0123456789abcdef"


def network(cache: Path, name: str = "xs-64x64-rpi5", age_s: float = 0.0, **metadata: str) -> Path:
    """A compiled network that was last used `age_s` seconds ago; metadata: how it differs from a current one."""
    folder = cache / f"{name}-{KEY}"
    folder.mkdir(parents=True)
    current = {"size": "xs", "weights": "", "kernels": kernels_version(), "tvm": tvm_version()}
    current["weights"] = checkpoints.load("xs").sha256
    (folder / library.LIBRARY).write_bytes(bytes(1000))
    (folder / library.METADATA).write_text(json.dumps(current | metadata))
    return aged(folder, age_s)


def aged(folder: Path, age_s: float) -> Path:
    then = time.time() - age_s
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (then, then))
    return folder


def building(cache: Path, process: int, age_s: float) -> Path:
    folder = cache / f"{pruning.BUILDING}{process}-abc"
    folder.mkdir(parents=True)
    (folder / library.LIBRARY).write_bytes(bytes(500))
    return aged(folder, age_s)


@pytest.fixture(scope="module")
def ended() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_current_network_stays(tmp_path: Path) -> None:
    folder = network(tmp_path, age_s=1000 * pruning.DAY_S)
    (entry,) = pruning.survey(tmp_path)
    assert entry.reason == ""
    assert entry.size > 1000
    assert pruning.prune([entry]) == (0, 0)
    assert folder.is_dir()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"tvm": "0.1"}, "TVM 0.1"),
        ({"kernels": "older"}, "version of the compiler"),
        ({"gpu": "older"}, "version of the compiler"),
        ({"weights": "older"}, "weights"),
    ],
)
def test_a_network_that_nothing_opens_any_more_goes(tmp_path: Path, change: dict[str, str], reason: str) -> None:
    folder = network(tmp_path, **change)
    (entry,) = pruning.survey(tmp_path)
    assert reason in entry.reason
    assert pruning.prune([entry]) == (1, entry.size)
    assert not folder.exists()


def test_a_gpus_network_of_this_version_stays(tmp_path: Path) -> None:
    network(tmp_path, "xs-64x64-mali-opencl", gpu=gpu_version())
    assert [entry.reason for entry in pruning.survey(tmp_path)] == [""]


def test_a_network_of_a_size_that_the_program_does_not_know_stays(tmp_path: Path) -> None:
    network(tmp_path, size="searched", weights="own")
    assert [entry.reason for entry in pruning.survey(tmp_path)] == [""]


def test_a_network_that_another_installation_may_use_stays_for_a_while(tmp_path: Path) -> None:
    young = network(tmp_path, "xs-64x64-rpi4", age_s=pruning.DAY_S, kernels="older")
    old = network(tmp_path, "xs-96x64-rpi4", age_s=pruning.KEPT_S + 60, kernels="older")
    assert pruning.prune(pruning.survey(tmp_path), pruning.KEPT_S)[0] == 1
    assert young.is_dir()
    assert not old.exists()


def test_what_ended_builds_left_goes(tmp_path: Path, ended: int) -> None:
    folder = building(tmp_path, ended, age_s=pruning.GRACE_S + 60)
    assert pruning.prune(pruning.survey(tmp_path)) == (1, 500)
    assert not folder.exists()


def test_a_build_that_goes_on_is_left_alone(tmp_path: Path, ended: int) -> None:
    mine = building(tmp_path, os.getpid(), age_s=pruning.GRACE_S + 60)
    unseen = building(tmp_path, ended, age_s=1)
    assert pruning.prune(pruning.survey(tmp_path)) == (0, 0)
    assert mine.is_dir()
    assert unseen.is_dir()


def test_other_peoples_folders_are_left_alone(tmp_path: Path) -> None:
    for name in ("photos", ".git", "xs-64x64-rpi5-backup", "xs-640x480-holiday-0123456789abcdeg"):
        (tmp_path / name).mkdir()
    assert pruning.survey(tmp_path) == []


def test_a_cache_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert pruning.survey(tmp_path / "none") == []
