"""Video files and the bundled clip."""

import itertools
import threading
from pathlib import Path

import av
import numpy as np
import pytest
from source_files import index_of, times_at, turn_clip, write_clip, write_sound

from engine.errors import SourceError, UsageError
from engine.sources import SourceSettings, find_source
from engine.sources.video_file import VideoFileSource

SUFFIXES = [".mp4", ".mkv", ".avi", ".mov", ".ts"]


def clip(tmp_path: Path, name: str = "clip.mp4", count: int = 20, fps: float = 25.0, **more) -> Path:
    return write_clip(tmp_path / name, times_at(fps, count), **more)


def video(path: Path, **settings) -> VideoFileSource:
    source = find_source(str(path), SourceSettings(**settings))
    assert isinstance(source, VideoFileSource)
    return source


class TestReading:
    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_every_frame_in_order_with_its_time(self, tmp_path: Path, suffix: str) -> None:
        path = clip(tmp_path, f"clip{suffix}")
        with video(path) as source:
            assert (source.name, source.size, source.live) == (path.name, (64, 48), False)
            frames = list(source)
            assert source.read() is None
        assert [frame.index for frame in frames] == list(range(20))
        assert [index_of(frame.image) for frame in frames] == list(range(20))
        assert np.allclose([frame.media_s for frame in frames], times_at(25, 20), atol=0.002)
        assert source.read() is None

    def test_what_it_announces(self, tmp_path: Path) -> None:
        with video(clip(tmp_path, count=25)) as source:
            assert source.frame_count == 25
            assert source.fps == pytest.approx(25, rel=0.05)
            assert source.duration_s == pytest.approx(1.0, abs=0.05)

    @pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
    def test_irregular_times_are_kept(self, tmp_path: Path, suffix: str) -> None:
        times = [0.0, 0.04, 0.05, 0.2, 0.5, 0.51, 1.25]
        with video(write_clip(tmp_path / f"clip{suffix}", times)) as source:
            assert [frame.media_s for frame in source] == pytest.approx(times, abs=0.002)

    @pytest.mark.parametrize("suffix", [".mkv", ".ts"])
    def test_times_begin_at_zero(self, tmp_path: Path, suffix: str) -> None:
        with video(clip(tmp_path, f"clip{suffix}", first_s=7.0)) as source:
            times = [frame.media_s for frame in source]
            assert times == pytest.approx(times_at(25, 20), abs=0.002)
            source.seek(0.4)
            frame = source.read()
        assert frame is not None
        assert index_of(frame.image) == 10

    def test_a_telephones_video_is_upright(self, tmp_path: Path) -> None:
        path = clip(tmp_path, size=(64, 32))
        turn_clip(path)
        with video(path) as source:
            frame = source.read()
            assert source.size == (32, 64)
        assert frame is not None
        assert frame.image.shape == (64, 32, 3)
        with video(path, rotate=90) as source:
            assert source.size == (64, 32)

    @pytest.mark.parametrize("sound", [False, True])
    def test_says_whether_there_is_sound(self, tmp_path: Path, sound: bool) -> None:
        with video(clip(tmp_path, sound=sound)) as source:
            assert source.has_audio is sound
            assert len(list(source)) == 20
        assert source.has_audio is False

    @pytest.mark.parametrize("name", ["Übung 日本.mp4", "-rf.mp4", "a:b.mp4", "with space.MP4", "100%.mkv"])
    def test_names(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        clip(tmp_path, name, count=3)
        monkeypatch.chdir(tmp_path)
        with video(Path(name)) as source:
            assert [frame.source for frame in source] == [name] * 3

    def test_can_be_opened_again(self, tmp_path: Path) -> None:
        source = video(clip(tmp_path))
        for _ in range(2):
            with source:
                source.open()
                assert [index_of(frame.image) for frame in itertools.islice(source, 3)] == [0, 1, 2]
            assert not source.is_open


class TestSeeking:
    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_the_next_frame_is_the_one_at_that_time(self, tmp_path: Path, suffix: str) -> None:
        with video(clip(tmp_path, f"clip{suffix}")) as source:
            for wanted in (13, 2, 19, 0, 7):
                source.seek(wanted / 25)
                frame = source.read()
                assert frame is not None
                assert (index_of(frame.image), frame.index) == (wanted, wanted)
                assert frame.media_s == pytest.approx(wanted / 25, abs=0.002)

    def test_also_after_the_end_and_before_the_start(self, tmp_path: Path) -> None:
        with video(clip(tmp_path)) as source:
            assert len(list(source)) == 20
            source.seek(-5.0)
            assert len(list(source)) == 20
            source.seek(100.0)
            assert source.read() is None

    def test_starts_where_it_is_asked_to(self, tmp_path: Path) -> None:
        with video(clip(tmp_path), start_s=0.4) as source:
            assert [index_of(frame.image) for frame in source] == list(range(10, 20))
        with pytest.raises(SourceError, match="ends before 9 s"):
            video(clip(tmp_path), start_s=9.0).open()
        with pytest.raises(UsageError, match="cannot start at"):
            SourceSettings(start_s=-1.0)

    def test_a_closed_one_cannot_be_searched(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="is not open"):
            video(clip(tmp_path)).seek(0.0)


class TestPlaying:
    def test_a_loop_goes_on_counting(self, tmp_path: Path) -> None:
        with video(clip(tmp_path, count=5), loop=True) as source:
            frames = list(itertools.islice(source, 13))
        assert [index_of(frame.image) for frame in frames] == [index % 5 for index in range(13)]
        assert [frame.index for frame in frames] == list(range(13))
        assert np.allclose([frame.media_s for frame in frames], times_at(25, 13), atol=0.01)

    def test_real_time_is_never_early(self, tmp_path: Path) -> None:
        with video(clip(tmp_path, count=8), real_time=True) as source:
            frames = list(source)
        assert len(frames) == 8
        for frame in frames:
            played_s = (frame.captured_ns - frames[0].captured_ns) / 1e9
            assert played_s > frame.media_s - 0.005

    def test_a_wait_can_be_interrupted(self, tmp_path: Path) -> None:
        with video(write_clip(tmp_path / "slow.mkv", [0.0, 600.0]), real_time=True) as source:
            assert source.read() is not None
            threading.Timer(0.02, source.interrupt).start()
            assert source.read() is None
            assert source.read() is None


class TestDamage:
    def test_a_cut_off_file_gives_what_it_has_and_says_so(self, tmp_path: Path) -> None:
        path = clip(tmp_path, count=40)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) * 6 // 10])
        seen: list[int] = []
        with video(path) as source:
            with pytest.raises(SourceError, match=r"cut off: it ends after .* of 1\.6 s"):
                seen.extend(index_of(frame.image) for frame in source)
            assert source.read() is None
        assert seen == list(range(len(seen)))
        assert 10 < len(seen) < 40

    @pytest.mark.parametrize("whole", [1, 2, 11])
    def test_every_whole_picture_before_the_cut_is_given(self, tmp_path: Path, whole: int) -> None:
        """Also those that the decoder was still at work on beside the damaged one."""
        path = clip(tmp_path, count=30, codec="libx264")
        with av.open(str(path)) as container:
            packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
        position, size = packets[whole]
        path.write_bytes(path.read_bytes()[: position + size // 2])
        seen: list[int] = []
        with video(path) as source, pytest.raises(SourceError, match="cut off"):
            seen.extend(frame.index for frame in source)
        assert seen == list(range(whole))

    def test_damage_in_the_middle_is_passed_over(self, tmp_path: Path) -> None:
        path = clip(tmp_path, "clip.ts", count=40)
        data = bytearray(path.read_bytes())
        middle = len(data) // 2
        data[middle : middle + 600] = bytes(600)
        path.write_bytes(data)
        with video(path) as source:
            frames = list(source)
        assert len(frames) > 20
        assert index_of(frames[-1].image) == 39

    @pytest.mark.parametrize(
        ("name", "data", "message"),
        [
            ("words.mp4", b"these are words" * 100, "cannot be read as a video"),
            ("empty.mkv", b"", "cannot be read as a video"),
            ("missing.mp4", None, "does not exist"),
        ],
    )
    def test_no_video(self, tmp_path: Path, name: str, data: bytes | None, message: str) -> None:
        if data is not None:
            (tmp_path / name).write_bytes(data)
        source = video(tmp_path / name)
        with pytest.raises(SourceError, match=f"{name}.*{message}"):
            source.open()
        assert not source.is_open

    def test_a_file_cut_off_before_its_index(self, tmp_path: Path) -> None:
        path = clip(tmp_path, "clip.mov")
        path.write_bytes(path.read_bytes()[:-400])
        with pytest.raises(SourceError, match="damaged, cut off"):
            video(path).open()

    def test_sound_alone_is_no_video(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="holds no video"):
            video(write_sound(tmp_path / "song.mp4")).open()

    def test_a_folder_called_like_a_video(self, tmp_path: Path) -> None:
        (tmp_path / "a.mp4").mkdir()
        with pytest.raises(SourceError, match="is not a file"):
            VideoFileSource(tmp_path / "a.mp4", SourceSettings()).open()


class TestDemo:
    def test_ships_with_the_program_and_holds_a_picture(self) -> None:
        with find_source("demo") as source:
            assert source.name == "demo"
            assert source.size == (1280, 720)
            frame = source.read()
        assert frame is not None
        assert frame.image.std() > 10

    def test_plays_for_ever_in_real_time_and_once_otherwise(self) -> None:
        for settings, loops in (
            (SourceSettings(), False),
            (SourceSettings(real_time=True), True),
            (SourceSettings(real_time=True, loop=False), False),
            (SourceSettings(loop=True), True),
        ):
            assert bool(find_source("demo", settings).settings.loop) is loops
