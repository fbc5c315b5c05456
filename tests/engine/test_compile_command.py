"""`main.py compile`, and the folder that it writes for a board, run as on a board: without what only a desktop has."""

import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

import main
from engine.board.exported import DESCRIPTION, Description, ExportedEstimator
from engine.compiler import export, library, targets
from engine.errors import CompilerError, SinkError
from engine.estimator import PoseEstimator
from engine.keypoint_files import read_keypoints
from engine.module_closure import closure
from engine.preprocess import InputShape
from models import checkpoints

# Everything in requirements.txt that a board does without.
DESKTOP_ONLY = (
    "av",
    "cv2_enumerate_cameras",
    "platformdirs",
    "psutil",
    "PyQt6",
    "safetensors",
    "scipy",
    "torch",
    "tqdm",
    "tvm",
    "yaml",
)
BOARD = """
import runpy, sys
for name in {names!r}:
    if name != "tvm":
        sys.modules[name] = None
sys.argv = ["run.py", *{arguments!r}]
runpy.run_path("run.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """XS for this machine."""
    folder = tmp_path_factory.mktemp("boards") / "my board"
    assert main.main(["compile", "--size", "xs", "--input", "256x256", "--threads", "2", "--export", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "astronaut.png"
    good, encoded = cv2.imencode(".png", np.ascontiguousarray(data.astronaut()[:, :, ::-1]))
    assert good
    path.write_bytes(encoded.tobytes())
    return path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = BOARD.format(names=DESKTOP_ONLY, arguments=arguments)
    # -I: neither this repository nor the current folder is found by accident; run.py adds its own.
    script = f"import sys; sys.path.insert(0, {str(folder)!r})\n{script}"
    return subprocess.run([sys.executable, "-I", "-c", script], cwd=folder, capture_output=True, text=True, check=False)


def test_the_board_finds_the_same_people(exported: Path, picture: Path, tmp_path: Path) -> None:
    keypoints, images = tmp_path / "people.jsonl", tmp_path / "annotated"
    done = run(exported, str(picture), "--save-keypoints", str(keypoints), "--save-images", str(images))
    assert done.returncode == 0, done.stderr
    expected = PoseEstimator.load("xs", input_mode="256x256", threads=2)(cv2.imread(str(picture)).astype(np.uint8))
    assert f"1 frames, {len(expected)} people" in done.stdout
    assert len(expected) >= 1
    (record,) = read_keypoints(keypoints)
    found = record.poses(expected.skeleton)
    np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=0.01)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3)
    drawn = cv2.imread(str(images / "astronaut.jpg"))
    assert drawn.shape == data.astronaut().shape
    assert np.abs(drawn.astype(int) - cv2.imread(str(picture))).max() > 100


def test_a_video_has_ids(exported: Path, tmp_path: Path) -> None:
    clip = Path(main.__file__).parent / "assets" / "demo.mp4"
    keypoints = tmp_path / "people.jsonl"
    done = run(exported, str(clip), "--frames", "3", "--save-keypoints", str(keypoints))
    assert done.returncode == 0, done.stderr
    records = list(read_keypoints(keypoints))
    assert [record.frame for record in records] == [0, 1, 2]
    assert [record.time_s for record in records] == sorted({record.time_s for record in records})
    assert all(person.id is not None for record in records for person in record.people)


def test_times_are_told(exported: Path, picture: Path) -> None:
    done = run(exported, str(picture), "--repeat", "3", "--threads", "1")
    assert re.search(r"astronaut.png: \d people", done.stdout)
    assert re.search(r"network +\d+\.\d\d ms median", done.stdout)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere.jpg"], 1, "nowhere.jpg"),
        (["--threads", "0", "x.png"], 2, "--threads"),
        (["--save-keypoints", "people.txt", "run.py"], 2, "jsonl"),
        (["requirements.txt"], 1, "cannot be opened"),
    ],
)
def test_mistakes_are_told_in_a_sentence(exported: Path, arguments: list[str], code: int, message: str) -> None:
    done = run(exported, *arguments)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_the_runner_needs_only_what_requirements_name() -> None:
    foreign = closure(export.ROOT, export.RUNNER).foreign - sys.stdlib_module_names
    # SciPy is used where it is there.
    assert foreign - {"scipy"} == set(export.PACKAGES)


def test_what_the_folder_needs_is_pinned(exported: Path) -> None:
    lines = (exported / "requirements.txt").read_text().split()
    assert {line.partition("==")[0] for line in lines} == {"apache-tvm", "apache-tvm-ffi", "numpy", "opencv-python"}
    assert all("==" in line for line in lines)


def test_a_damaged_folder_says_so(exported: Path, tmp_path: Path) -> None:
    network = exported / "networks" / "256x256" / library.LIBRARY
    whole = network.read_bytes()
    network.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        with pytest.raises(CompilerError, match="is damaged"):
            ExportedEstimator(exported).network(InputShape(256, 256))
    finally:
        network.write_bytes(whole)
    with pytest.raises(CompilerError, match="cannot be read"):
        Description.read(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"), [("architecture", "riscv64", "riscv64"), ("tvm", "0.1", "apache-tvm==0.1")]
)
def test_another_machine_says_so(exported: Path, tmp_path: Path, key: str, value: str, message: str) -> None:
    content = json.loads((exported / DESCRIPTION).read_text(encoding="utf-8"))
    (tmp_path / DESCRIPTION).write_text(json.dumps(content | {key: value}), encoding="utf-8")
    with pytest.raises(CompilerError, match=message):
        ExportedEstimator(tmp_path)


def test_only_an_earlier_export_is_replaced(exported: Path, tmp_path: Path) -> None:
    checkpoint, target = checkpoints.load("xs"), targets.load(threads=2)
    shapes = [InputShape(256, 256)]
    with pytest.raises(SinkError, match="--overwrite"):
        export.export(checkpoint, shapes, target, exported)
    (exported / "old").touch()
    export.export(checkpoint, shapes, target, exported, overwrite=True)
    assert not (exported / "old").exists()
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(SinkError, match="no exported folder"):
        export.export(checkpoint, shapes, target, tmp_path, overwrite=True)
    assert (tmp_path / "photo.jpg").exists()


def test_a_foreign_target_needs_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    foreign = "rpi4" if targets.load().architecture == "x86-64" else "x86-64-v2"
    assert main.main(["compile", "--target", foreign]) == 1
    assert "--export" in capsys.readouterr().err


def test_the_cache_is_filled_ahead(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["compile", "--input", "256x256,256x256", "--threads", "2"]) == 0
    assert capsys.readouterr().out.startswith("1/1  xs at 256x256")


def test_presets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["compile", "--list"]) == 0
    out = capsys.readouterr().out
    assert f"* {targets.host_preset()}" in out
    assert "Raspberry Pi 5" in out


def test_the_cache_is_pruned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LITEPOSE_CACHE", str(tmp_path))
    (tmp_path / "xs-64x64-rpi5-0123456789abcdef").mkdir()
    assert main.main(["compile", "--prune"]) == 0
    assert "Removed 1 of 1 folders" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
