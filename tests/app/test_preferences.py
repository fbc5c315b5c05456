"""The preferences file: kept, checked, set aside when broken, under what the command line says."""

from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest

from app import preferences
from app.preference_store import PreferenceStore
from app.preferences import Preferences


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "preferences.yaml"


def test_what_is_saved_comes_back(path: Path) -> None:
    kept = Preferences(source="demo", theme="light", measured_ms={"xs": 12.5})
    kept = replace(kept, overlays=replace(kept.overlays, boxes=True, skeleton=False))
    preferences.save(kept, path)
    assert preferences.load(path) == (kept, None)


def test_without_a_file_there_are_defaults_and_nothing_to_say(path: Path) -> None:
    assert preferences.load(path) == (Preferences(), None)


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\nsource: [unclosed",
        "just words",
        "version: 2\nsource: demo",
        "source: demo",
        "version: 1\ntheme: pink",
        "version: 1\ninference:\n  confidence: high",
        "version: 1\noverlays: everything",
        "version: 1\nmeasured_ms:\n  xs: fast",
        "version: 1\nmirror: 1",
    ],
)
def test_a_broken_file_is_set_aside_with_a_reason(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    kept, problem = preferences.load(path)
    assert kept == Preferences()
    assert problem is not None
    assert "set aside" in problem
    assert not path.exists()
    assert (path.parent / "preferences.broken.yaml").read_text(encoding="utf-8") == text


def test_a_file_that_is_no_text_is_set_aside(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00garbage")
    assert preferences.load(path)[1] is not None
    assert not path.exists()


def test_unknown_names_of_a_newer_program_do_no_harm(path: Path) -> None:
    path.write_text("version: 1\nsource: demo\nhologram: true\n", encoding="utf-8")
    assert preferences.load(path) == (Preferences(source="demo"), None)


def test_the_command_line_wins_and_is_not_remembered(qtbot: object, path: Path) -> None:
    preferences.save(Preferences(source="demo"), path)
    store = PreferenceStore(path, {"source": "clip.mp4", "size": "s"})
    assert (store.current.source, store.current.inference.size) == ("clip.mp4", "s")
    store.change(mirror_files=True)
    store.save()
    kept = preferences.load(path)[0]
    assert (kept.source, kept.inference.size, kept.mirror_files) == ("demo", "xs", True)


def test_what_the_user_changes_is_remembered_even_over_the_command_line(qtbot: object, path: Path) -> None:
    store = PreferenceStore(path, {"size": "s"})
    store.change(size="m")
    store.save()
    assert preferences.load(path)[0].inference.size == "m"


def test_a_folder_that_cannot_be_written_is_told(qtbot: object, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = PreferenceStore(tmp_path / "file" / "preferences.yaml")
    told: list[str] = []
    store.not_saved.connect(told.append)
    store.save()
    assert len(told) == 1


def test_every_name_stands_for_one_field(path: Path) -> None:
    sections = [part for field in fields(Preferences) if is_dataclass(part := getattr(Preferences(), field.name))]
    names = [field.name for part in (Preferences(), *sections) for field in fields(part)]
    assert len(names) == len(set(names))
