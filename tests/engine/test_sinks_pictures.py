"""Annotated pictures in a folder: names, formats, and inputs that must stay."""

import re
import shutil

import cv2
import numpy as np
import pytest
from sink_frames import NOBODY, frame_at, small_disk

from engine.errors import SinkError
from engine.sinks import PictureWriter, timestamped_path
from engine.sources.picture_file import read_picture

DRAWN = np.full((48, 64, 3), 180, np.uint8)


def save(folder, *sources, **options):
    with PictureWriter(folder, **options) as writer:
        for index, source in enumerate(sources):
            writer.write(frame_at(index, index, source), NOBODY, DRAWN)
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_pictures_keep_their_names_and_folders(tmp_path):
    sources = ["a.jpg", "sub/b c.PNG", "Übung 人.jpeg", "-x.png", "old.webp", "d.tiff"]
    saved = save(tmp_path / "new" / "out", *sources)
    assert saved == sorted(["a.jpg", "sub/b c.PNG", "Übung 人.jpeg", "-x.png", "old.jpg", "d.jpg"])
    for name in saved:
        assert abs(read_picture(tmp_path / "new" / "out" / name).astype(int) - 180).max() < 3


def test_frames_of_a_video_are_numbered(tmp_path):
    assert save(tmp_path, "clip.mp4", "clip.mp4", "USB: Cam/2", "rtsp://user@host/live") == [
        "USB_ Cam_2-000002.jpg",
        "clip-000000.jpg",
        "clip-000001.jpg",
        "rtsp_user@host_live-000003.jpg",
    ]


def test_the_frames_own_picture_is_saved_where_nothing_was_drawn(tmp_path):
    with PictureWriter(tmp_path) as writer:
        frame = frame_at(1, 1, "a.png")
        writer.write(frame, NOBODY, None)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a.png")), frame.image)


def test_taken_names_get_a_number(tmp_path):
    assert save(tmp_path, "a.jpg", "a.jpg", "b.webp", "b.jpg") == ["a-2.jpg", "a.jpg", "b-2.jpg", "b.jpg"]
    assert save(tmp_path, "a.jpg") == ["a-2.jpg", "a-3.jpg", "a.jpg", "b-2.jpg", "b.jpg"]


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_inputs_are_never_replaced_and_results_are_where_it_was_asked_for(tmp_path, name):
    cv2.imwrite(str(tmp_path / name), np.zeros((48, 64, 3), np.uint8))
    stem, suffix = name.split(".")
    assert save(tmp_path, name, overwrite=True) == [f"{stem}-2.{suffix}", name]
    assert read_picture(tmp_path / name).max() == 0
    shutil.rmtree(tmp_path)
    assert save(tmp_path, name) == [name]
    before = (tmp_path / name).stat().st_mtime_ns
    assert save(tmp_path, name, overwrite=True) == [name]
    assert (tmp_path / name).stat().st_mtime_ns != before


def test_nothing_leaves_the_folder(tmp_path):
    save(tmp_path / "out", "../../a.jpg", "/etc/b.jpg", "C:/c/d.jpg")
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.jpg")) == [
        "out/C_/c/d.jpg",
        "out/a.jpg",
        "out/etc/b.jpg",
    ]


def test_places_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match="is a file"):
        PictureWriter(tmp_path / "file")
    with pytest.raises(SinkError, match="not a folder"):
        PictureWriter(tmp_path / "file" / "out")
    with small_disk(tmp_path / "disk", 1, "ro") as disk, pytest.raises(SinkError, match="read-only"):
        save(disk, "a.jpg")


def test_a_full_disk_leaves_whole_pictures(tmp_path):
    with small_disk(tmp_path / "disk", 1) as disk:
        writer = PictureWriter(disk)
        noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
        saved = 0
        with pytest.raises(SinkError, match="full"):  # noqa: PT012
            while saved < 50:
                writer.write(frame_at(saved, saved, "noise.mp4"), NOBODY, noise)
                saved += 1
        names = sorted(disk.iterdir())
        assert len(names) == saved
        assert all(read_picture(path).shape == noise.shape for path in names)


def test_dated_names_are_new_every_time(tmp_path):
    first = timestamped_path(tmp_path, "Cam: 1", ".mp4")
    assert re.fullmatch(r"Cam_ 1-\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.mp4", first.name)
    first.touch()
    assert not timestamped_path(tmp_path, "Cam: 1", ".mp4").exists()
