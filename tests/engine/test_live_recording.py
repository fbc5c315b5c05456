"""Recordings and snapshots of a live session: what is in the files, and what a user is told."""

import json
import shutil
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from live_fakes import FakeSource, FakeVideo, Networks, Sources, Watched, endless, wait_for
from sink_frames import small_disk, tone_at, video_with_sound

from engine.drawing import DrawingSettings
from engine.errors import SinkError, SourceError, UsageError
from engine.live import EventKind, LiveOptions, Picture, RecordingOptions, SessionState
from engine.sinks import Sink
from engine.sources import SourceSettings, find_source
from engine.sources.live_source import LiveSource

S = SessionState
FAST = SourceSettings(real_time=False)


def watched_video(frames=30, fps=20.0, size=(96, 64), **options):
    sources = Sources(video=lambda settings: FakeVideo(settings, frames=frames, fps=fps, size=size))
    return Watched(sources, source_settings=FAST, **options)


def watched_camera(**keywords):
    return Watched(Sources(camera=lambda settings: FakeSource(endless((96, 64)), settings, **keywords)))


def times_of(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]


def first_picture(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="bgr24")


def key_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_file_recorded_from_its_start_is_whole(tmp_path):
    path = tmp_path / "out.mp4"
    with watched_video(recording=RecordingOptions(path)) as watched:
        watched.wait_event(EventKind.ENDED)
        assert watched.session.stop_recording(wait_s=10)
        assert watched.session.statistics().recorded == 30
        assert watched.session.statistics().recorder_dropped == 0
    expected = [frame / 20 for frame in range(30)]
    assert times_of(path) == pytest.approx(expected, abs=0.005)
    lines = key_lines(path.with_suffix(".jsonl"))
    assert [line["time_s"] for line in lines] == pytest.approx(expected, abs=0.005)
    assert [line["frame"] for line in lines] == list(range(30))
    assert lines[5]["people"][0]["id"] == lines[25]["people"][0]["id"]


def test_a_camera_is_recorded_between_start_and_stop(tmp_path):
    with watched_camera(fps=100.0) as watched:
        watched.wait_state(S.RUNNING)
        wait_for(lambda: watched.session.latest().index > 5)
        assert not watched.session.recording
        paths = watched.session.start_recording(RecordingOptions(tmp_path / "a.mp4"))
        assert watched.session.recording
        assert watched.wait_event(EventKind.RECORDING).paths == paths == (tmp_path / "a.mp4", tmp_path / "a.jsonl")
        with pytest.raises(UsageError, match="is running"):
            watched.session.start_recording(RecordingOptions(tmp_path / "b.mp4"))
        assert not (tmp_path / "b.mp4").exists()
        index = watched.session.latest().index
        wait_for(lambda: watched.session.latest().index > index + 10)
        assert watched.session.stop_recording(wait_s=10)
        assert not watched.session.recording
        assert watched.wait_event(EventKind.RECORDING, 2).paths == paths
        assert watched.session.stop_recording(), "stopping twice changes nothing"
        video, lines = times_of(paths[0]), key_lines(paths[1])
        assert len(video) >= 10
        assert video[0] == lines[0]["time_s"] == 0
        assert video == pytest.approx([line["time_s"] for line in lines], abs=0.005)
        # A second recording of the same run.
        watched.session.start_recording(RecordingOptions(tmp_path / "b.mp4", keypoints=False))
        wait_for(lambda: watched.session.statistics().recording_fps > 0)
        assert watched.session.stop_recording(wait_s=10)
        assert watched.session.statistics().recording_fps == 0
        assert times_of(tmp_path / "b.mp4")
        assert not (tmp_path / "b.jsonl").exists()


class IrregularCamera:
    """A device whose pictures come 3 to 60 ms apart."""

    name, fps = "irregular", None

    def __init__(self):
        self.gaps_s = np.random.default_rng(0).uniform(0.003, 0.06, 10_000).tolist()

    def read(self):
        time.sleep(self.gaps_s.pop())
        return np.zeros((64, 96, 3), np.uint8)

    def close(self):
        pass


class Moments(Sink):
    """When the frames were captured, by their numbers."""

    def __init__(self):
        self.captured_ns: dict[int, int] = {}

    def write(self, frame, poses, annotated):
        self.captured_ns[frame.index] = frame.captured_ns

    def close(self):
        pass


def test_each_frame_stands_where_it_was_captured(tmp_path):
    moments = Moments()
    with Watched(Sources(camera=lambda settings: LiveSource("irregular", settings, IrregularCamera))) as watched:
        watched.session.add_stream(moments, Picture.NONE)
        watched.wait_state(S.RUNNING)
        video, keypoints = watched.session.start_recording(RecordingOptions(tmp_path / "a.mp4"))
        wait_for(lambda: watched.session.statistics().recorded > 40)
        assert watched.session.stop_recording(wait_s=10)
        assert watched.session.statistics().recorder_dropped == 0
    captured_s = np.array([moments.captured_ns[line["frame"]] for line in key_lines(keypoints)]) / 1e9
    assert times_of(video) == pytest.approx(captured_s - captured_s[0], abs=0.005)


def test_stopping_the_session_finishes_the_recording(tmp_path):
    with watched_camera() as watched:
        watched.wait_state(S.RUNNING)
        paths = watched.session.start_recording(RecordingOptions(tmp_path / "a.mp4"))
        index = watched.session.latest().index
        wait_for(lambda: watched.session.latest().index > index + 5)
    assert len(watched.texts(EventKind.RECORDING)) == 2
    assert len(times_of(paths[0])) >= 5


def test_a_recording_without_a_frame_leaves_no_file(tmp_path):
    with watched_video(frames=3) as watched:
        watched.wait_event(EventKind.ENDED)
        watched.session.start_recording(RecordingOptions(tmp_path / "a.mp4", keypoints=False))
        assert watched.session.stop_recording(wait_s=10)
        assert "empty" in watched.texts(EventKind.RECORDING)[-1]
    assert list(tmp_path.iterdir()) == []


def test_both_pictures_are_recorded_side_by_side(tmp_path):
    options = RecordingOptions(tmp_path / "a.mp4", "both", keypoints=tmp_path / "points.csv")
    with watched_video(frames=5, recording=options) as watched:
        watched.wait_event(EventKind.ENDED)
        watched.session.stop_recording(wait_s=10)
    annotated, raw = first_picture(tmp_path / "a.mp4"), first_picture(tmp_path / "a-raw.mp4")
    assert raw.max() < 30, "the source's pictures are black at first"
    assert annotated.max() > 100, "a skeleton is drawn"
    assert (tmp_path / "points.csv").read_text().count("\n") == 6


@pytest.mark.parametrize("drawing", [DrawingSettings(privacy=True), DrawingSettings(blur_faces=True)])
def test_what_must_not_be_seen_is_not_in_the_raw_video_either(tmp_path, drawing):
    def script(source):
        for _ in range(5):
            yield (96, 64)

    class Noise(FakeSource):
        def read(self):
            frame = super().read()
            if frame is not None:
                frame.image[:] = np.random.default_rng(0).integers(0, 256, frame.image.shape, np.uint8)
            return frame

    sources = Sources(video=lambda settings: Noise(script, settings, live=False, fps=20))
    options = RecordingOptions(tmp_path / "a.mp4", "raw", keypoints=False)
    with Watched(sources, source_settings=FAST, recording=options, drawing=drawing) as watched:
        watched.wait_event(EventKind.ENDED)
        watched.session.stop_recording(wait_s=10)
    picture = first_picture(tmp_path / "a.mp4")
    # The fake person stands in the middle.
    assert picture[28:36, 44:52].std() < (8 if drawing.privacy else 30)
    assert (picture.std() < 8) == drawing.privacy


def test_a_recording_that_cannot_be_made_says_so_and_the_session_goes_on(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"precious")
    with watched_camera() as watched:
        watched.wait_state(S.RUNNING)
        with pytest.raises(SinkError, match="exists already"):
            watched.session.start_recording(RecordingOptions(tmp_path / "a.mp4"))
        (tmp_path / "b.jsonl").write_bytes(b"precious")
        with pytest.raises(SinkError, match="exists already"):
            watched.session.start_recording(RecordingOptions(tmp_path / "b.mp4"))
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.jsonl"]
        assert (tmp_path / "b.jsonl").read_bytes() == b"precious"
        assert not watched.session.recording
        index = watched.session.latest().index
        wait_for(lambda: watched.session.latest().index > index + 3)


def test_a_recording_that_was_asked_for_at_the_start_and_cannot_be_made_fails(tmp_path):
    with watched_video(recording=RecordingOptions(tmp_path / "nowhere" / "a.mp4")) as watched:
        event = watched.wait_event(EventKind.FAILURE)
        assert "nowhere" in event.text


def test_a_camera_that_vanishes_at_its_first_frame_leaves_that_frame(tmp_path):
    def script(source):
        yield (96, 64)
        yield SourceError("The camera was unplugged.")

    sources = Sources(camera=lambda settings: FakeSource(script, settings))
    networks = Networks()
    networks.hold.clear()
    with Watched(sources, networks, recording=RecordingOptions(tmp_path / "a.mp4")) as watched:
        # Its result comes when the camera has long been gone.
        watched.wait_event(EventKind.LOST)
        sources.makers["camera"] = lambda settings: FakeSource(lambda source: iter([SourceError("gone")]), settings)
        networks.hold.set()
        wait_for(lambda: watched.session.statistics().recorded)
        assert watched.session.stop_recording(wait_s=10)
        assert not watched.texts(EventKind.FAILURE)
    assert len(times_of(tmp_path / "a.mp4")) == len(key_lines(tmp_path / "a.jsonl")) == 1


def test_keypoints_that_do_not_fit_on_the_disk_are_not_called_an_empty_recording(tmp_path):
    with small_disk(tmp_path / "disk", 1) as disk:
        (disk / "others").write_bytes(bytes(shutil.disk_usage(disk).free - 20_000))
        with watched_video(frames=200, recording=RecordingOptions(keypoints=disk / "a.json")) as watched:
            watched.wait_event(EventKind.RECORDING, 2)
            assert "could not be finished" in watched.texts(EventKind.RECORDING)[-1]
            assert any("a.json.partial" in text for text in watched.texts(EventKind.WARNING))
        lines = key_lines(disk / "a.json.partial")
        assert [line["frame"] for line in lines] == list(range(len(lines)))
        assert len(lines) > 5


def test_a_disk_that_fails_in_the_middle_is_told_once_and_ends_the_recording(tmp_path, monkeypatch):
    from engine.sinks import VideoRecorder

    with watched_camera() as watched:
        watched.wait_state(S.RUNNING)
        watched.session.start_recording(RecordingOptions(tmp_path / "a.mp4", keypoints=False))

        def full(recorder, *unused):
            raise SinkError("The disk is full.")

        monkeypatch.setattr(VideoRecorder, "write", full)
        assert watched.wait_event(EventKind.WARNING).text == "The disk is full."
        watched.wait_event(EventKind.RECORDING, 2)
        assert not watched.session.recording
        assert len(watched.texts(EventKind.WARNING)) == 1
        assert watched.session.state is S.RUNNING


def test_a_snapshot_is_the_newest_picture_with_its_people(tmp_path):
    with watched_camera() as watched:
        with pytest.raises(UsageError, match="no picture yet"):
            watched.session.snapshot(tmp_path / "early.png")
        watched.wait_state(S.RUNNING)
        path = watched.session.snapshot(tmp_path / "one.png")
        raw = watched.session.snapshot(tmp_path / "raw.jpg", annotated=False)
        assert cv2.imread(str(path)).shape == (64, 96, 3)
        assert len(np.unique(cv2.imread(str(path)))) > len(np.unique(cv2.imread(str(raw))))
        assert watched.session.snapshot(tmp_path).suffix == ".png"
        with pytest.raises(SinkError, match="exists already"):
            watched.session.snapshot(path)
        with pytest.raises(SinkError, match=r"\.xyz"):
            watched.session.snapshot(tmp_path / "one.xyz")


def test_sound_goes_along_when_a_file_is_sought(tmp_path):
    clip = video_with_sound(tmp_path / "clip.mp4", "aac", 6, (300, 500, 700, 900, 1100, 1300))
    sources = Sources(**{str(clip): lambda settings: find_source(str(clip), settings)})
    with Watched(sources, source_settings=FAST) as watched:
        watched.wait_event(EventKind.ENDED)
        [path] = watched.session.start_recording(RecordingOptions(tmp_path / "a.mp4", keypoints=False))
        for count, place_s in enumerate((4.0, 1.0), 2):
            watched.session.seek(place_s)
            watched.session.resume()
            watched.wait_event(EventKind.ENDED, count)
        assert watched.session.stop_recording(wait_s=10)
    assert times_of(path) == pytest.approx(np.arange(20 + 50) / 10, abs=0.005)
    heard = [tone_at(path, time_s) for time_s in (0.4, 1.4, 2.4, 3.4, 6.4)]
    assert heard == [pytest.approx(tone, abs=8) for tone in (1100, 1300, 500, 700, 1300)]


def test_recording_options_that_cannot_be_meant_are_refused():
    with pytest.raises(UsageError, match="needs the name"):
        RecordingOptions()
    with pytest.raises(UsageError, match="not “sharp”"):
        RecordingOptions(Path("a.mp4"), "sharp")
    with pytest.raises(UsageError, match="not running"):
        Watched(Sources(camera=lambda settings: None)).session.start_recording(RecordingOptions(Path("a.mp4")))


def test_options_of_a_session_are_checked():
    with pytest.raises(UsageError, match="between 0 and 1"):
        LiveOptions(joint_threshold=2)
    with pytest.raises(UsageError, match="between 0 and 1"):
        LiveOptions(confidence=-0.1)
