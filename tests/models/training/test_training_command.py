import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import main
from models import checkpoints


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The command takes Ctrl-C to itself until its process ends."""
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.fixture
def words(tmp_path: Path, tiny_network: Path, packed_data: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr("models.training.validation.VIEWS", 4)
    config = tmp_path / "mine.yaml"
    config.write_text(f"size: {tiny_network}\nshapes: [[64, 64]]\nbatch: 4\n", encoding="utf-8")
    labels = str(packed_data / "labels.json.gz")
    run = ["--config", str(config), "--annotations", labels, "--pictures", str(packed_data), "--device", "cpu"]
    return ["train", *run, "--output", str(tmp_path / "run"), "--validate", labels, "--validate-every", "4"]


def test_it_trains_and_goes_on_and_says_what_it_has(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main([*words, "--views", "8"]) == 0
    assert main.main([*words, "--views", "16", "--resume"]) == 0
    said = capsys.readouterr().out
    assert "16 views trained" in said
    assert "Validation loss" in said
    assert str(tmp_path / "run" / "best.safetensors") in said
    assert checkpoints.load(tmp_path / "run" / "weights.safetensors").metadata["views"] == "16"


def test_a_run_is_not_overwritten(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([*words, "--views", "4"]) == 0
    assert main.main([*words, "--views", "4"]) == 2
    assert "Add --resume to go on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [(["--validate-every", "0"], "at least 1"), (["--resume", "--init", "xs"], "Leave out --init")],
)
def test_what_cannot_be_is_told(
    words: list[str], more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main([*words, *more]) == 2
    assert message in capsys.readouterr().err


def test_labels_whose_pictures_are_nowhere_are_named(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"images": [], "annotations": []}', encoding="utf-8")
    assert main.main([*words, "--validate", str(other)]) == 1
    assert "None of the labelled pictures" in (told := capsys.readouterr().err)
    assert str(other) in told


def test_two_processes_share_a_run(words: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "main.py"]
    told = subprocess.run(
        [*command, *words, "--validate-every", "16", "--views", "24"],
        cwd=Path(main.__file__).parent,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.count("24 views trained") == 1  # one of them speaks
    with (tmp_path / "run" / "validation.csv").open(encoding="utf-8") as file:
        assert [row["views"] for row in csv.DictReader(file)] == ["0", "16", "24"]
    assert checkpoints.load(tmp_path / "run" / "weights.safetensors").metadata["views"] == "24"
