"""Which source a text means."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import SourceError, UsageError
from engine.sources import KINDS, Capability, SourceSettings, find_source, find_sources, kind_of, open_source


def picture(path: Path) -> str:
    path.write_bytes(bytes(cv2.imencode(path.suffix, np.zeros((4, 4, 3), np.uint8))[1]))
    return str(path)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_example_means_its_own_kind(kind) -> None:
    assert kind_of(kind.example) is kind


def test_live_kinds_make_live_sources_and_only_they() -> None:
    for kind in KINDS:
        if kind.name != "pictures":
            source = kind.make(kind.example, SourceSettings())
            assert source.live is (Capability.LIVE in kind.capabilities), kind.name
            assert not source.is_open


def test_what_exists_wins_over_what_it_looks_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "match.mp4").mkdir()
    (tmp_path / "7").mkdir()
    assert kind_of("match.mp4").name == "pictures"
    assert kind_of("7").name == "pictures"
    assert kind_of("8").name == "camera"


def test_a_text_that_means_nothing(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no file, folder, camera or other source “nothing”"):
        find_source("nothing")
    path = tmp_path / "notes.txt"
    path.write_text("words")
    with pytest.raises(SourceError, match=r"no picture and no video by its name.*\.jpg.*\.mp4"):
        find_source(str(path))


def test_pictures_that_stand_together_become_one_batch(tmp_path: Path) -> None:
    a, b, c = (picture(tmp_path / f"{name}.png") for name in "abc")
    sources = find_sources([a, b, "demo", c])
    assert [source.name for source in sources] == ["2 pictures", "demo", "c.png"]
    with pytest.raises(SourceError, match="There is no file"):
        find_sources([a, str(tmp_path / "missing.png")])


def test_an_open_source_is_open(tmp_path: Path) -> None:
    source = open_source(picture(tmp_path / "a.png"))
    assert source.is_open
    source.close()
    assert source.read() is None


@pytest.mark.parametrize("wrong", [{"rotate": 45}, {"width": 0}, {"fps": -1.0}, {"picture_s": 0.0}, {"timeout_s": 0.0}])
def test_settings_that_cannot_be_meant(wrong) -> None:
    with pytest.raises(UsageError, match=str(next(iter(wrong.values())))):
        SourceSettings(**wrong)
