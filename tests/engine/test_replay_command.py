"""Recorded keypoints drawn again."""

from pathlib import Path

import av
import numpy as np
import pytest
from live_fakes import one_person

from engine.commands import replay as command
from engine.commands.replay import Records
from engine.errors import SinkError, SourceError, UsageError
from engine.keypoint_files import FrameRecord
from engine.sinks import VideoRecorder, open_keypoint_writer
from engine.types import Frame, Poses
from main import build_parser
from models.skeleton import COCO_17

SIZE = (160, 120)


def run(*arguments: object) -> int:
    return command.main(build_parser("replay").parse_args(["replay", *map(str, arguments)]))


def recorded(folder: Path, times: np.ndarray, *, every: int = 1) -> tuple[Path, Path]:
    """A grey video, and keypoints of somebody who walks through it, of every nth frame."""
    video, keypoints = folder / "clip.mp4", folder / "clip.jsonl"
    with VideoRecorder(video, fps_hint=20) as recorder, open_keypoint_writer(keypoints, COCO_17) as writer:
        for index, time_s in enumerate(times):
            frame = Frame(np.full((SIZE[1], SIZE[0], 3), 90, np.uint8), index, 0, float(time_s), "clip")
            recorder.write(frame, Poses.empty(COCO_17), None)
            if index % every == 0:
                writer.write(frame, one_person(10 + 4 * index, 50), None)
    return video, keypoints


def pictures(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as container:
        return [
            (float(frame.pts * frame.time_base), frame.to_ndarray(format="bgr24").astype(int))
            for frame in container.decode(video=0)
        ]


def drawn_at(picture: np.ndarray) -> float:
    """Middle of what is not grey."""
    _, columns = np.nonzero(np.abs(picture - 90).max(axis=2) > 40)
    return float(columns.mean())


def test_every_frame_gets_its_own_keypoints_and_keeps_its_time(tmp_path, capsys):
    times = np.cumsum([0.0, 0.05, 0.03, 0.1, 0.05, 0.02, 0.2, 0.05])
    video, keypoints = recorded(tmp_path, times)
    assert run(video, keypoints, "--save", tmp_path / "out.mp4") == 0
    assert "8 frames, keypoints for 8 of them" in capsys.readouterr().out
    result = pictures(tmp_path / "out.mp4")
    assert [time_s for time_s, _ in result] == pytest.approx(times, abs=0.005)
    places = [drawn_at(picture) for _, picture in result]
    assert np.diff(places) == pytest.approx(np.full(7, 4.0), abs=1.5)


def test_fewer_keypoints_than_frames_are_shared(tmp_path, capsys):
    video, keypoints = recorded(tmp_path, np.arange(13) * 0.05, every=4)
    run(video, keypoints, "--save", tmp_path / "out.mp4")
    assert "keypoints for 13 of them" in capsys.readouterr().out


def test_overlays_can_be_chosen(tmp_path):
    video, keypoints = recorded(tmp_path, np.arange(4) * 0.05)
    run(video, keypoints, "--save", tmp_path / "black.mp4", "--privacy")
    run(video, keypoints, "--save", tmp_path / "plain.mp4", "--no-skeletons")
    run(video, keypoints, "--save", tmp_path / "unsure.mp4", "--min-score", "0.95")
    assert pictures(tmp_path / "black.mp4")[0][1][0, 0].max() < 20
    for name in ("plain.mp4", "unsure.mp4"):
        assert np.abs(pictures(tmp_path / name)[0][1] - 90).max() < 12


def test_keypoints_of_another_video_are_told(tmp_path):
    video, keypoints = recorded(tmp_path, np.arange(4) * 0.05)
    late = tmp_path / "late.jsonl"
    late.write_text(FrameRecord(0, 100.0, "x", ()).line() + "\n")
    with pytest.raises(SourceError, match="belong to a time"):
        run(video, late, "--save", tmp_path / "out.mp4")
    with pytest.raises(SinkError, match="exists already"):
        run(video, keypoints, "--save", video)
    with pytest.raises(SourceError, match="does not exist"):
        run(tmp_path / "none.mp4", keypoints, "--save", tmp_path / "a.mp4")


def test_without_a_screen_the_video_must_have_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(UsageError, match="--save"):
        run(tmp_path / "a.mp4", tmp_path / "a.jsonl")


def test_records_belong_to_the_times_around_them():
    records = Records(FrameRecord(index, time_s, "x", ()) for index, time_s in enumerate([1.0, 1.1, 5.0]))
    found = [records.at(time_s) for time_s in (0.5, 0.999, 1.04, 1.06, 1.3, 3.0, 4.9, 5.0, 5.2)]
    assert [record and record.frame for record in found] == [None, 0, 0, 1, 1, None, 2, 2, None]
    assert Records([]).at(0) is None
