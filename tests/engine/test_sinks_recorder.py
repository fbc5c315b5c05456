"""Recordings: their times, what is left after a kill or a full disk, sound, and what a user is told."""

import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from sink_frames import NOBODY, frame_at, frame_of, noise, small_disk, tone_at, video_times, video_with_sound

import engine.sinks.recorder as recorder_module
from engine.errors import SinkError, UsageError
from engine.sinks import VideoRecorder
from engine.sinks.encoders import ENCODERS, Encoder
from engine.types import Frame

IRREGULAR = np.cumsum([0.0, 0.033, 0.12, 0.01, 0.5, 0.0335, 0.0335, 1.2, 0.04, 0.04])


def record(path: Path, times, **options) -> VideoRecorder:
    with VideoRecorder(path, **options) as recorder:
        for index, media_s in enumerate(times):
            recorder.write(frame_at(index, media_s), NOBODY, None)
    return recorder


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    "times",
    [np.arange(15) / 7, np.arange(31) / 15, np.arange(61) / 29.97, IRREGULAR],
    ids=["7", "15", "29.97", "irregular"],
)
def test_every_frame_has_its_own_time(tmp_path, times, suffix):
    path = tmp_path / f"a{suffix}"
    recorder = record(path, times, fps_hint=1 / float(np.median(np.diff(times))))
    found = [time for time, _ in video_times(path)]
    assert len(found) == len(times) == recorder.frames_written
    np.testing.assert_allclose(found, times, atol=0.005)


def test_the_last_frame_has_a_duration_and_the_file_a_length(tmp_path):
    recorder = record(tmp_path / "a.mp4", np.arange(15) / 7, fps_hint=7)
    last, duration = video_times(tmp_path / "a.mp4")[-1]
    assert last + duration == pytest.approx(15 / 7, abs=0.005)
    assert recorder.duration_s == pytest.approx(15 / 7, abs=0.005)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.duration / av.time_base == pytest.approx(15 / 7, abs=0.005)
    assert recorder.bytes_written == (tmp_path / "a.mp4").stat().st_size


def test_a_single_frame_stands_for_one_interval(tmp_path):
    record(tmp_path / "a.mp4", [3.0], fps_hint=4)
    assert video_times(tmp_path / "a.mp4") == [(0.0, pytest.approx(0.25, abs=0.005))]


def test_time_starts_with_the_first_frame_and_goes_on_after_a_rewind(tmp_path):
    record(tmp_path / "a.mp4", [100.0, 100.1, 100.2, 5.0, 5.1, 5.1, 5.2])
    times = [time for time, _ in video_times(tmp_path / "a.mp4")]
    assert times[0] == 0
    assert (np.diff(times) > 0).all()
    np.testing.assert_allclose(times, [0, 0.1, 0.2, 0.3, 0.4, 0.4, 0.5], atol=0.005)


def test_opencv_reads_the_pictures_that_were_given(tmp_path):
    with VideoRecorder(tmp_path / "a.mp4", quality=10) as recorder:
        for index in range(5):
            recorder.write(frame_at(index, index / 10), NOBODY, np.full((48, 64, 3), 30 + 40 * index, np.uint8))
    capture = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    for index in range(5):
        read, image = capture.read()
        assert read
        assert abs(image.astype(int) - (30 + 40 * index)).mean() < 4
    assert not capture.read()[0]


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (40, 130, 220)])
def test_colours_stay_as_they_were(tmp_path, colour):
    with VideoRecorder(tmp_path / "a.mp4", quality=5) as recorder:
        recorder.write(Frame(np.full((48, 64, 3), colour, np.uint8), 0, 0, 0.0), NOBODY, None)
    capture = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    assert abs(capture.read()[1].reshape(-1, 3).mean(axis=0) - colour).max() < 5


def test_the_caller_may_draw_into_the_picture_again(tmp_path):
    scene = np.zeros((48, 64, 3), np.uint8)
    with VideoRecorder(tmp_path / "a.mp4") as recorder:
        for index in range(4):
            scene[:] = 60 * index
            recorder.write(frame_at(index, index / 10), NOBODY, scene)
            scene[:] = 255
    capture = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    assert [round(capture.read()[1].mean() / 60) for _ in range(4)] == [0, 1, 2, 3]


def test_frames_of_other_sizes_are_fitted_into_the_first_ones(tmp_path):
    with VideoRecorder(tmp_path / "a.mp4", quality=10) as recorder:
        for index, size in enumerate([(81, 61), (40, 60), (200, 20), (81, 61)]):
            recorder.write(Frame(np.full((size[1], size[0], 3), 200, np.uint8), index, 0, index / 10), NOBODY, None)
    capture = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    whole, tall, wide, again = (capture.read()[1] for _ in range(4))
    assert whole.shape == (62, 82, 3)
    assert whole.min() > 190
    assert again.min() > 190
    assert tall[:, :15].max() < 20
    assert tall[5:55, 25:55].min() > 180
    assert wide[:20].max() < 20
    assert wide[29:33, 5:75].min() > 180


@pytest.mark.parametrize("size", [(1, 1), (3000, 10), (17, 2001)])
def test_strange_sizes_are_recorded(tmp_path, size):
    with VideoRecorder(tmp_path / "a.mp4") as recorder:
        for index in range(3):
            recorder.write(frame_at(index, index / 10, size=size), NOBODY, None)
    assert len(video_times(tmp_path / "a.mp4")) == 3


@pytest.mark.parametrize("name", ["two words.mp4", "Übung 人.mp4", "-rf.mp4", "a:b%03d.mp4", "UPPER.MP4"])
def test_any_name_will_do(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record(Path(name), [0.0, 0.1])
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert len(video_times(tmp_path / name)) == 2


def test_an_existing_file_is_left_alone(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"precious")
    with pytest.raises(SinkError, match=r"a\.mp4.*exists already"):
        VideoRecorder(path)
    assert path.read_bytes() == b"precious"
    record(path, [0.0, 0.1], overwrite=True)
    assert len(video_times(path)) == 2


def test_the_video_that_is_being_read_is_never_overwritten(tmp_path):
    path = video_with_sound(tmp_path / "a.mp4", "aac")
    before = path.read_bytes()
    with pytest.raises(SinkError, match="is being read"):
        VideoRecorder(path, sound_from=path, overwrite=True)
    assert path.read_bytes() == before


def test_places_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match="no folder"):
        VideoRecorder(tmp_path / "none" / "a.mp4")
    with pytest.raises(SinkError, match="not a folder"):
        VideoRecorder(tmp_path / "file" / "a.mp4")
    (tmp_path / "b.mp4").mkdir()
    with pytest.raises(SinkError, match="is a folder"):
        VideoRecorder(tmp_path / "b.mp4", overwrite=True)
    with pytest.raises(UsageError, match=r"\.mp4, \.mkv"):
        VideoRecorder(tmp_path / "a.avi")
    with pytest.raises(SinkError, match="too long"):
        VideoRecorder(tmp_path / ("a" * 300 + ".mp4"))


def test_a_disk_that_can_only_be_read_is_told(tmp_path):
    with small_disk(tmp_path / "disk", 20, "ro") as disk, pytest.raises(SinkError, match="read-only"):
        VideoRecorder(disk / "a.mp4")


def test_no_frame_leaves_no_file(tmp_path):
    record(tmp_path / "a.mp4", [])
    assert not list(tmp_path.iterdir())


def test_without_an_encoder_the_user_is_told_before_a_file_is_made(tmp_path):
    with pytest.raises(SinkError, match="no_such_encoder"):
        VideoRecorder(tmp_path / "a.mp4", encoders=(Encoder("no_such_encoder"),))
    assert not list(tmp_path.iterdir())


def test_without_h264_there_is_mpeg4(tmp_path):
    fallback = tuple(encoder for encoder in ENCODERS if encoder.name == "mpeg4")
    recorder = record(tmp_path / "a.mp4", IRREGULAR, encoders=(Encoder("no_such_encoder"), *fallback))
    assert recorder.encoder == "mpeg4"
    np.testing.assert_allclose([time for time, _ in video_times(tmp_path / "a.mp4")], IRREGULAR, atol=0.005)


def test_live_recordings_drop_and_count_and_others_wait(tmp_path, monkeypatch):
    go_on = threading.Event()
    container = recorder_module.VideoContainer

    class Slow(container):
        def write(self, *arguments):
            go_on.wait()
            super().write(*arguments)

    monkeypatch.setattr(recorder_module, "VideoContainer", Slow)
    with VideoRecorder(tmp_path / "live.mp4", live=True) as recorder:
        for index in range(100):
            recorder.write(frame_at(index, index / 30), NOBODY, None)
        assert 0 < recorder.dropped < 100
        go_on.set()
    times = [time for time, _ in video_times(tmp_path / "live.mp4")]
    assert len(times) == recorder.frames_written == 100 - recorder.dropped
    np.testing.assert_allclose(times, np.arange(len(times)) / 30, atol=0.005)

    patient = record(tmp_path / "file.mp4", np.arange(100) / 30)
    assert (patient.dropped, patient.frames_written) == (0, 100)


RECORD_UNTIL_KILLED = """
import sys, time
from pathlib import Path
import numpy as np
from engine.sinks import VideoRecorder
from engine.types import FilePlace, Frame, Poses
from models.skeleton import COCO_17

sound = Path(sys.argv[3]) if sys.argv[3] else None
# Pictures of another file have no sound.
sounds_s = float(sys.argv[4])
recorder = VideoRecorder(Path(sys.argv[1]), fps_hint=float(sys.argv[2]), sound_from=sound)
for index in range(10_000):
    media_s = index / float(sys.argv[2])
    image = np.random.default_rng(index).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    place = FilePlace(sound, media_s) if sound and media_s < sounds_s else None
    recorder.write(Frame(image, index, 0, media_s, "camera", place), Poses.empty(COCO_17), None)
    while recorder.frames_written <= index:
        time.sleep(0.001)
    print(media_s, flush=True)
"""


@pytest.mark.parametrize(
    ("suffix", "fps", "sounds_s"),
    [(".mp4", 30, None), (".mkv", 30, None), (".mp4", 7, 10), (".mp4", 15, 0), (".mkv", 15, 0)],
)
def test_a_killed_process_loses_at_most_a_second(tmp_path, suffix, fps, sounds_s):
    path = tmp_path / f"killed{suffix}"
    # A sound that ends early, or is never heard, must not hold back the pictures.
    source = "" if sounds_s is None else str(video_with_sound(tmp_path / "source.mp4", "aac", 1.5))
    child = subprocess.Popen(
        [sys.executable, "-c", RECORD_UNTIL_KILLED, str(path), str(fps), source, str(sounds_s or 0)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    with child:
        assert child.stdout is not None
        recorded_s = 0.0
        while recorded_s < 4.3:
            recorded_s = float(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        recorded_s = max([recorded_s, *map(float, child.stdout.read().split())])
    times = [time for time, _ in video_times(path)]
    assert times[-1] >= recorded_s - 1.0
    np.testing.assert_allclose(times, np.arange(len(times)) / fps, atol=0.005)
    capture, count = cv2.VideoCapture(str(path)), 0
    while capture.read()[0]:
        count += 1
    assert count == len(times)


@pytest.mark.parametrize("reserve", [8 * 2**20, 0], ids=["nearly full", "full"])
def test_a_full_disk_is_told_once_and_the_recording_plays(tmp_path, monkeypatch, reserve):
    monkeypatch.setattr(recorder_module, "SMALLEST_FREE_BYTES", reserve)
    monkeypatch.setattr(recorder_module, "FREE_SPACE_EVERY_S", 0.0)
    with small_disk(tmp_path / "disk", 20) as disk:
        recorder = VideoRecorder(disk / "a.mp4", quality=0)
        (disk / "others").write_bytes(bytes(shutil.disk_usage(disk).free - reserve - 3 * 2**20))
        told = []
        for index in range(60):
            try:
                recorder.write(noise(index, index / 30, (320, 240)), NOBODY, None)
            except SinkError as error:
                told.append(error)
        recorder.close()
        recorder.close()
        assert len(told) == 1
        assert "full" in str(told[0])
        assert "kept" in str(told[0])
        assert recorder.error is told[0]
        times = [time for time, _ in video_times(disk / "a.mp4")]
        assert len(times) > 10
        assert recorder.frames_written - len(times) <= 30
        assert cv2.VideoCapture(str(disk / "a.mp4")).read()[0]


def test_a_disk_without_room_is_told_before_anything_is_made(tmp_path):
    with small_disk(tmp_path / "disk", 2) as disk:
        with pytest.raises(SinkError, match="nearly full"):
            VideoRecorder(disk / "a.mp4")
        assert not list(disk.iterdir())


@pytest.mark.parametrize(
    ("source_name", "codec", "suffix", "copied"),
    [("s.mp4", "aac", ".mp4", True), ("s.mkv", "pcm_s16le", ".mp4", False), ("s.mkv", "flac", ".mkv", True)],
)
def test_the_sound_of_a_file_is_carried_over(tmp_path, source_name, codec, suffix, copied):
    source = video_with_sound(tmp_path / source_name, codec)
    path = tmp_path / f"out{suffix}"
    # The recording starts half a second into the file and ends before it.
    with VideoRecorder(path, fps_hint=10, sound_from=source) as recorder:
        for file_s in 0.5 + np.arange(10) / 10:
            recorder.write(frame_of(source, float(file_s)), NOBODY, None)
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name == (codec if copied else "aac")
        frames = list(container.decode(stream))
        sound = np.concatenate([frame.to_ndarray().astype(np.float64).reshape(-1) for frame in frames])
        start, end = float(frames[0].pts * frames[0].time_base), len(sound) / frames[0].sample_rate
    assert start < 0.05
    assert end == pytest.approx(1.0, abs=0.1)
    middle = sound[len(sound) // 4 : len(sound) // 4 + 8192]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert spectrum.argmax() * 44_100 / 8192 == pytest.approx(440, abs=6)
    assert len(video_times(path)) == 10


TONES = (300, 500, 700, 900, 1100, 1300)


@pytest.mark.parametrize(
    ("source_name", "codec", "suffix"),
    [("s.mp4", "aac", ".mp4"), ("s.mkv", "pcm_s16le", ".mp4"), ("s.mkv", "aac", ".mkv")],
)
def test_sound_follows_the_pictures_wherever_they_go(tmp_path, source_name, codec, suffix):
    source = video_with_sound(tmp_path / source_name, codec, len(TONES), TONES)
    path = tmp_path / f"out{suffix}"
    time_s = 0.0
    with VideoRecorder(path, fps_hint=10, sound_from=source) as recorder:
        # From the fifth second on, back to the second, another source, the first again, and on over the end to its start.
        for second in (4, 1, None, 0, 5, 0):
            for step in range(10):
                frame = frame_at(0, time_s) if second is None else frame_of(source, second + step / 10, time_s)
                recorder.write(frame, NOBODY, None)
                time_s += 0.1
    heard = [tone_at(path, second + 0.4) for second in range(6)]
    assert heard == [None if tone is None else pytest.approx(tone, abs=8) for tone in (1100, 500, None, 300, 1300, 300)]
    # Each begins and ends with its pictures.
    assert tone_at(path, 0.75) == pytest.approx(1100, abs=8)
    assert tone_at(path, 1.05) == pytest.approx(500, abs=8)
    assert tone_at(path, 2.1) is tone_at(path, 2.75) is None
    assert tone_at(path, 5.75) == pytest.approx(300, abs=8)
    assert len(video_times(path)) == 60


def test_without_a_picture_of_the_file_there_is_silence(tmp_path):
    source = video_with_sound(tmp_path / "s.mkv", "pcm_s16le")
    record(tmp_path / "a.mp4", [0.0, 0.1], sound_from=source)
    assert len(video_times(tmp_path / "a.mp4")) == 2
    assert tone_at(tmp_path / "a.mp4", 0.1) is None


def test_sound_that_cannot_be_read_costs_no_picture(tmp_path, caplog):
    source = tmp_path / "broken.mp4"
    source.write_bytes(b"no video at all")
    record(tmp_path / "a.mp4", [0.0, 0.1], sound_from=source)
    assert len(video_times(tmp_path / "a.mp4")) == 2
    assert "without sound" in caplog.text
