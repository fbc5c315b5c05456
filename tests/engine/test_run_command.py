"""`main.py run` as a user types it: results, and one clear line for everything that can be wrong with the input."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from skimage import data

from main import main

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "assets" / "demo.mp4"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "astronaut.png"
    cv2.imwrite(str(path), data.astronaut()[:, :, ::-1])
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """The first ten frames of the demo."""
    path = tmp_path / "clip.mp4"
    with av.open(str(DEMO)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number, frame in zip(range(10), source.decode(video=0)):
            picture = frame.reformat(640, 360, "yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 30)
            target.mux(stream.encode(picture))
        target.mux(stream.encode())
    return path


def run(*words: object) -> int:
    return main(["run", *map(str, words)])


def test_a_picture_gives_an_annotated_picture_and_keypoints(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keypoints, folder = tmp_path / "k.jsonl", tmp_path / "out"
    assert run(picture, "--save-images", folder, "--save-keypoints", keypoints, "--threshold", 0.05) == 0
    line = json.loads(keypoints.read_text("utf-8"))
    assert (line["frame"], line["source"]) == (0, "astronaut.png")
    assert line["people"]
    for person in line["people"]:
        assert len(person["keypoints"]) == 17
        assert any(joint is not None for joint in person["keypoints"])
    annotated = cv2.imread(str(folder / "astronaut.png"))
    assert annotated.shape == (512, 512, 3)
    assert np.abs(annotated.astype(int) - data.astronaut()[:, :, ::-1]).max() > 50
    summary = capsys.readouterr().out
    assert "1 frames" in summary
    assert "network" in summary


def test_a_video_gives_a_video_of_the_same_length(clip: Path, tmp_path: Path) -> None:
    result, keypoints = tmp_path / "result.mp4", tmp_path / "k.jsonl"
    assert run(clip, "--save-video", result, "--save-keypoints", keypoints) == 0
    with av.open(str(result)) as container:
        frames = list(container.decode(video=0))
        assert len(frames) == 10
        assert (frames[0].width, frames[0].height) == (640, 360)
        times = [float(frame.pts * frame.time_base) for frame in frames]
    np.testing.assert_allclose(np.diff(times), 1 / 30, atol=0.005)
    lines = [json.loads(line) for line in keypoints.read_text("utf-8").splitlines()]
    assert [line["frame"] for line in lines] == list(range(10))
    np.testing.assert_allclose([line["time_s"] for line in lines], times, atol=0.005)


def test_without_options_the_annotated_result_is_saved(
    clip: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(clip) == 0
    assert run(picture) == 0
    assert len(list((tmp_path / "poses").glob("clip-*.mp4"))) == 1
    assert (tmp_path / "poses" / "astronaut.png").is_file()


def test_one_bad_picture_does_not_end_a_folder(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.jpg").write_text("no picture at all")
    keypoints = tmp_path / "k.json"
    assert run(tmp_path, "--save-keypoints", keypoints) == 0
    assert "broken.jpg" in capsys.readouterr().out
    assert isinstance(json.loads(keypoints.read_text("utf-8")), list)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (10000, 10)])
def test_odd_pictures_are_answered(width: int, height: int, tmp_path: Path) -> None:
    path = tmp_path / "odd.png"
    cv2.imwrite(str(path), np.full((height, width, 3), 128, np.uint8))
    assert run(path, "--save-images", tmp_path / "out") == 0
    assert cv2.imread(str(tmp_path / "out" / "odd.png")).shape == (height, width, 3)


def complains(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    """Exit code and message of a command that fails; the message is one line."""
    code = run(*words)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return code, lines[0]


def test_a_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, message = complains(capsys, tmp_path / "nothing.jpg")
    assert code == 1
    assert "nothing.jpg" in message


def test_a_text_file_named_jpg(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "text.jpg"
    path.write_text("hello")
    code, message = complains(capsys, path, "--save-images", tmp_path / "out")
    assert code == 1
    assert "text.jpg" in message


def test_an_empty_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    code, message = complains(capsys, folder)
    assert code == 1
    assert "empty" in message


def test_a_truncated_video_keeps_what_it_had(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keypoints = tmp_path / "k.jsonl"
    mp4 = tmp_path / "cut.mp4"
    whole = DEMO.read_bytes()
    mp4.write_bytes(whole[: len(whole) // 2])
    code, message = complains(capsys, mp4, "--save-keypoints", keypoints)
    assert code == 1
    assert "cut.mp4" in message


def test_an_unknown_size(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, message = complains(capsys, picture, "--size", "xxl")
    assert code in (1, 2)
    assert "xxl" in message
    assert "xs" in message


def test_a_size_without_weights(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, message = complains(capsys, picture, "--size", "l")
    assert code == 1
    assert "train" in message


@pytest.mark.parametrize(
    "words", [["--threshold", "2"], ["--threads", "0"], ["--input", "wide"], ["--save-keypoints", "k.xml"]]
)
def test_options_that_cannot_be_meant(words: list[str], picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, message = complains(capsys, picture, *words)
    assert code == 2
    assert words[1] in message or words[0] in message


def test_results_are_not_overwritten(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keypoints = tmp_path / "k.jsonl"
    keypoints.write_text("precious")
    code, message = complains(capsys, picture, "--save-keypoints", keypoints)
    assert code == 1
    assert "k.jsonl" in message
    assert keypoints.read_text() == "precious"
    assert run(picture, "--save-keypoints", keypoints, "--overwrite") == 0
    assert keypoints.read_text() != "precious"


def test_the_video_that_is_read_is_never_written_over(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = clip.read_bytes()
    code, message = complains(capsys, clip, "--save-video", clip, "--overwrite")
    assert code == 2
    assert "clip.mp4" in message
    assert clip.read_bytes() == before


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[Path]:
    """A folder to mount on; skipped where mounting is not allowed. Unmounted afterwards."""
    folder = tmp_path / "mount"
    folder.mkdir()
    if (
        os.name != "posix"
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], check=False).returncode
    ):
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_keeps_what_was_written(clip: Path, mounts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (mounts / "filler").write_bytes(b"x" * 60000)
    keypoints = mounts / "k.jsonl"
    code, message = complains(capsys, clip, "--save-keypoints", keypoints, "--threshold", 0)
    assert code == 1
    assert "k.jsonl" in message
    lines = keypoints.read_text("utf-8").splitlines(keepends=True)
    assert json.loads(lines[0])["frame"] == 0
    assert all(json.loads(line) for line in lines if line.endswith("\n"))


def test_a_read_only_cache(
    picture: Path, mounts: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", mounts], check=True)
    monkeypatch.setenv("LITEPOSE_CACHE", str(mounts))
    code, message = complains(capsys, picture)
    assert code == 1
    assert str(mounts) in message
    assert "LITEPOSE_CACHE" in message


def test_ctrl_c_keeps_what_was_done(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.estimator import PoseEstimator

    estimate, calls = PoseEstimator.estimate, []

    def interrupted(self: PoseEstimator, image: np.ndarray) -> object:
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return estimate(self, image)

    monkeypatch.setattr(PoseEstimator, "estimate", interrupted)
    keypoints = tmp_path / "k.jsonl"
    assert run(clip, "--save-keypoints", keypoints) == 130
    assert len(keypoints.read_text("utf-8").splitlines()) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_running_from_a_cached_network_is_light(picture: Path, tmp_path: Path) -> None:
    """Neither torch nor TVM's compiler is loaded, and memory stays below 400 MB."""
    assert run(picture, "--save-keypoints", tmp_path / "first.jsonl") == 0
    code = (
        "import re, sys; from pathlib import Path; from main import main; "
        f"code = main(['run', {str(picture)!r}, '--save-keypoints', {str(tmp_path / 'k.jsonl')!r}]); "
        "peak = re.search(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text()).group(1); "
        "print(code, 'torch' in sys.modules, 'tvm' in sys.modules, peak)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    exit_code, torch, tvm, kilobytes = done.stdout.split("\n")[-2].split()
    assert (exit_code, torch, tvm) == ("0", "False", "False")
    assert int(kilobytes) < 400 * 1024


def test_names_that_are_too_long_for_a_file_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "n" * 300]) == 2
    assert "too long" in capsys.readouterr().err
