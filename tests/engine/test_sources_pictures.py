"""Picture files, folders and patterns."""

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from source_files import corners, write_oriented

from engine.errors import SourceError
from engine.sources import SourceSettings, find_source
from engine.sources.picture_file import read_picture
from engine.sources.pictures import PictureSource, find_pictures, natural_key, short_names


def write(path: Path, picture: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(cv2.imencode(path.suffix, picture)[1]))
    return path


def grey(path: Path, shade: int) -> Path:
    return write(path, np.full((6, 8, 3), shade, np.uint8))


class TestReadPicture:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
    def test_is_upright_by_its_exif(self, tmp_path: Path, orientation: int, suffix: str) -> None:
        path = write_oriented(tmp_path / f"picture{suffix}", corners(), orientation)
        image = read_picture(path)
        assert image.shape == (24, 40, 3)
        # The middle of each quarter, in BGR.
        for y, x, bgr in ((6, 10, (0, 0, 255)), (6, 30, (0, 255, 0)), (18, 10, (255, 0, 0)), (18, 30, (255,) * 3)):
            assert np.abs(image[y, x].astype(int) - bgr).max() < 30

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_transparency_turns_with_the_picture(self, tmp_path: Path, orientation: int) -> None:
        upright = np.dstack([corners(), np.full((24, 40), 255, np.uint8)])
        upright[:12, :20, 3] = 0
        image = read_picture(write_oriented(tmp_path / "picture.png", upright, orientation))
        assert (image[:12, :20] == 255).all()
        assert (image[:12, 20:] == (0, 255, 0)).all()
        assert (image[12:, :20] == (255, 0, 0)).all()

    def test_half_transparent_is_mixed_with_white(self, tmp_path: Path) -> None:
        picture = np.full((4, 4, 4), (0, 0, 100, 51), np.uint8)
        assert (read_picture(write(tmp_path / "a.png", picture)) == (204, 204, 224)).all()

    def test_grey_becomes_three_equal_channels(self, tmp_path: Path) -> None:
        image = read_picture(write(tmp_path / "a.png", np.full((4, 6), 77, np.uint8)))
        assert image.shape == (4, 6, 3)
        assert (image == 77).all()

    @pytest.mark.parametrize("suffix", [".png", ".tiff"])
    def test_sixteen_bits_become_eight(self, tmp_path: Path, suffix: str) -> None:
        picture = np.zeros((4, 6, 3), np.uint16)
        picture[0], picture[1] = 65535, 257 * 100
        image = read_picture(write(tmp_path / f"a{suffix}", picture))
        assert image.dtype == np.uint8
        assert [int(image[row].max()) for row in range(4)] == [255, 100, 0, 0]
        assert (read_picture(write(tmp_path / f"grey{suffix}", picture[..., 0]))[1] == 100).all()

    def test_floating_point_becomes_eight_bits(self, tmp_path: Path) -> None:
        picture = np.array([[0.0, 0.5, 1.0, 7.0]], np.float32)
        assert read_picture(write(tmp_path / "a.tiff", picture))[0, :, 0].tolist() == [0, 128, 255, 255]

    @pytest.mark.parametrize(
        "name", ["Übung 日本 ñ.png", "-rf.png", "--help.jpg", "with space.webp", "a:b.png", "GROSS.PNG"]
    )
    def test_names(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        path = grey(tmp_path / name, 90)
        assert abs(int(read_picture(path)[0, 0, 0]) - 90) < 3
        monkeypatch.chdir(tmp_path)
        with find_source(name) as source:
            assert [frame.source for frame in source] == [name]

    @pytest.mark.parametrize(
        ("data", "message"),
        [(b"", "is an empty file"), (b"words, no picture", "cannot be read as a picture"), (None, "There is no file")],
    )
    def test_what_is_wrong_is_said(self, tmp_path: Path, data: bytes | None, message: str) -> None:
        path = tmp_path / "bad.jpg"
        if data is not None:
            path.write_bytes(data)
        with pytest.raises(SourceError, match=f"bad.jpg”.*{message}|{message}.*bad.jpg”"):
            read_picture(path)

    def test_a_folder_called_like_a_picture(self, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").mkdir()
        with pytest.raises(SourceError, match="cannot be read"):
            read_picture(tmp_path / "a.jpg")


class TestFinding:
    def test_numbers_are_counted_not_spelled(self, tmp_path: Path) -> None:
        for name in ("10.png", "9.png", "b2.PNG", "B1.png", "a.png", "notes.txt"):
            grey(tmp_path / name, 1) if name != "notes.txt" else (tmp_path / name).write_text("no picture")
        names = ["9.png", "10.png", "a.png", "B1.png", "b2.PNG"]
        assert [path.name for path in find_pictures(str(tmp_path))] == names
        assert sorted([Path("x²3.png"), Path("x1.png")], key=natural_key)

    def test_patterns(self, tmp_path: Path) -> None:
        for name in ("a1.png", "a2.png", "b1.png", "deep/er/a3.png"):
            grey(tmp_path / name, 1)
        for pattern, names in (
            ("a*.png", ["a1.png", "a2.png"]),
            ("[ab]1.png", ["a1.png", "b1.png"]),
            ("?2.*", ["a2.png"]),
            ("**/a*.png", ["a1.png", "a2.png", "a3.png"]),
        ):
            assert [path.name for path in find_pictures(str(tmp_path / pattern))] == names

    def test_a_file_with_brackets_is_no_pattern(self, tmp_path: Path) -> None:
        path = grey(tmp_path / "team [1].png", 1)
        with find_source(str(path)) as source:
            assert source.frame_count == 1

    def test_nothing_found_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("no picture")
        with pytest.raises(SourceError, match="no pictures in the folder"):
            find_source(str(tmp_path))
        with pytest.raises(SourceError, match="no pictures for the pattern"):
            find_source(str(tmp_path / "*.png"))

    def test_equal_names_are_told_apart_by_their_folders(self) -> None:
        assert short_names([Path("/x/a/1.png"), Path("/x/b/1.png")]) == ["a/1.png", "b/1.png"]
        assert short_names([Path("/x/a/1.png"), Path("/x/a/2.png")]) == ["1.png", "2.png"]


class TestSource:
    def test_a_folder_in_order_with_times(self, tmp_path: Path) -> None:
        for number in (1, 2, 10):
            grey(tmp_path / f"{number}.png", number)
        with find_source(f"{tmp_path}/", SourceSettings(picture_s=0.5)) as source:
            assert (source.name, source.frame_count, source.fps, source.live) == (tmp_path.name, 3, 2.0, False)
            frames = list(source)
            assert source.read() is None
        assert [frame.image[0, 0, 0] for frame in frames] == [1, 2, 10]
        assert [(frame.index, frame.media_s, frame.source) for frame in frames] == [
            (0, 0.0, "1.png"),
            (1, 0.5, "2.png"),
            (2, 1.0, "10.png"),
        ]

    def test_a_bad_one_is_skipped_and_remembered(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        for number in (1, 3):
            grey(tmp_path / f"{number}.png", number)
        (tmp_path / "2.png").write_bytes(b"broken")
        source = PictureSource(find_pictures(str(tmp_path)), SourceSettings())
        with source:
            assert [frame.index for frame in source] == [0, 2]
        [skipped] = source.skipped
        assert skipped.path.name == "2.png"
        assert "cannot be read as a picture" in skipped.reason
        assert "2.png" in caplog.text

    def test_a_bad_one_alone_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "1.png").write_bytes(b"broken")
        with (
            find_source(str(tmp_path / "1.png")) as source,
            pytest.raises(SourceError, match=r"1\.png” cannot be read"),
        ):
            source.read()
        with pytest.raises(SourceError, match="There is no file"):
            find_source(str(tmp_path / "missing.png")).open()

    def test_all_bad_is_an_error(self, tmp_path: Path) -> None:
        for number in (1, 2):
            (tmp_path / f"{number}.png").write_bytes(b"broken")
        with find_source(str(tmp_path)) as source, pytest.raises(SourceError, match="None of the 2 pictures"):
            source.read()

    def test_loops_on_and_begins_anew_when_opened_again(self, tmp_path: Path) -> None:
        for number in (1, 2):
            grey(tmp_path / f"{number}.png", number)
        source = find_source(str(tmp_path), SourceSettings(loop=True, picture_s=2.0))
        for _ in range(2):
            with source:
                frames = [source.read() for _ in range(5)]
            assert [(f.index, f.media_s, f.image[0, 0, 0]) for f in frames if f] == [
                (0, 0.0, 1), (1, 2.0, 2), (2, 4.0, 1), (3, 6.0, 2), (4, 8.0, 1),
            ]  # fmt: skip
        assert source.read() is None

    def test_real_time_waits_and_can_be_interrupted(self, tmp_path: Path) -> None:
        for number in (1, 2):
            grey(tmp_path / f"{number}.png", number)
        with find_source(str(tmp_path), SourceSettings(real_time=True, picture_s=0.05)) as source:
            first, second = source
        assert second.captured_ns - first.captured_ns > 0.02e9
        source = find_source(str(tmp_path), SourceSettings(real_time=True, picture_s=600.0))
        source.open()
        assert source.read() is not None
        threading.Timer(0.02, source.interrupt).start()
        assert source.read() is None

    @pytest.mark.parametrize("rotate", [0, 90, 180, 270])
    @pytest.mark.parametrize("mirror", [False, True])
    def test_turned_clockwise_then_mirrored(self, tmp_path: Path, rotate: int, mirror: bool) -> None:
        picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
        settings = SourceSettings(rotate=rotate, mirror=mirror)
        with find_source(str(write(tmp_path / "a.png", picture)), settings) as source:
            frame = source.read()
        expected = np.rot90(picture, -rotate // 90)
        assert frame is not None
        assert np.array_equal(frame.image, expected[:, ::-1] if mirror else expected)
        assert (frame.width, frame.height) == settings.oriented_size(3, 2)
