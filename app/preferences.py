"""What the window remembers between two starts: a YAML file in the user's configuration folder."""

import logging
import os
import types
import typing
from dataclasses import dataclass, field, fields, is_dataclass
from dataclasses import replace as replace  # re-exported: preferences are changed by replacing
from pathlib import Path
from typing import Any, Literal

import platformdirs
import yaml

from engine.decode.grouping import USUAL_CONFIDENCE, GroupingSettings
from models.yaml_text import from_yaml

VERSION = 1
MOST_PEOPLE = GroupingSettings().max_people
log = logging.getLogger(__name__)

Theme = Literal["dark", "light", "system"]
Language = Literal["system", "en", "de"]
Picture = Literal["annotated", "raw", "both"]
THEMES: tuple[str, ...] = typing.get_args(Theme)
LANGUAGES: tuple[str, ...] = typing.get_args(Language)


class PreferencesError(Exception):
    """A preferences file that cannot be used; the message names what is wrong in it."""


@dataclass(frozen=True, slots=True)
class Overlays:
    """What is drawn on the picture; `fps` to `drops` are the lines of the statistics on it."""

    skeleton: bool = True
    boxes: bool = False
    ids: bool = False
    trails: bool = False
    heatmap: bool = False
    face_blur: bool = False
    privacy: bool = False
    statistics: bool = True
    fps: bool = True
    latency: bool = True
    stages: bool = True
    people: bool = True
    drops: bool = True


@dataclass(frozen=True, slots=True)
class Recording:
    """What the record button writes, and where; folder "" means the user's folder for videos."""

    picture: Picture = "annotated"
    keypoints: bool = True
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Camera:
    """Asked of a camera; 0 leaves its own choice. width, height in pixels, rate in frames per second."""

    width: int = 0
    height: int = 0
    rate: int = 0


@dataclass(frozen=True, slots=True)
class Inference:
    """How poses are found.

    confidence: how sure to be of people (LiveOptions), and of joints that are drawn. max_people: the best ones are kept.
    threads: 0 means automatic.
    input_mode: "auto", "square" or "WxH", as for PoseEstimator.
    device, precision: of network_settings.offered; anything else leaves the choice to the engine.
    """

    size: str = "xs"
    confidence: float = USUAL_CONFIDENCE
    smoothing: bool = True
    max_people: int = MOST_PEOPLE
    threads: int = 0
    input_mode: str = "auto"
    device: str = ""
    precision: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """geometry: what QWidget.saveGeometry gave, in hexadecimal. panel: whether the statistics panel is open."""

    geometry: str = ""
    panel: bool = False


@dataclass(frozen=True, slots=True)
class Preferences:
    """Everything remembered. source "": the first camera, or the demo. measured_ms: per frame, by size, on this machine.
    mirror: of cameras; people know themselves from mirrors."""

    source: str = ""
    theme: Theme = "dark"
    language: Language = "system"
    mirror: bool = True
    mirror_files: bool = False
    own_poses_only: bool = False
    inference: Inference = field(default_factory=Inference)
    overlays: Overlays = field(default_factory=Overlays)
    recording: Recording = field(default_factory=Recording)
    camera: Camera = field(default_factory=Camera)
    window: Window = field(default_factory=Window)
    measured_ms: dict[str, float] = field(default_factory=dict)


def default_path() -> Path:
    """LITEPOSE_CONFIG names the folder, else it is the system's place for a program's configuration."""
    given = os.environ.get("LITEPOSE_CONFIG")
    folder = Path(given) if given else Path(platformdirs.user_config_dir("litepose-live", appauthor=False))
    return folder / "preferences.yaml"


def load(path: Path) -> tuple[Preferences, str | None]:
    """The stored preferences, or the defaults and a sentence that says why. A file that cannot be used is set aside."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Preferences(), None
    except (OSError, UnicodeDecodeError) as error:
        return Preferences(), _set_aside(path, str(error))
    try:
        return _parse(from_yaml(text)), None
    except (PreferencesError, ValueError) as error:
        return Preferences(), _set_aside(path, " ".join(str(error).split()))


def save(preferences: Preferences, path: Path) -> None:
    """Writes the file whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"version": VERSION} | _as_dict(preferences)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    unfinished.replace(path)


def _set_aside(path: Path, reason: str) -> str:
    aside = path.with_name(f"{path.stem}.broken{path.suffix}")
    try:
        path.replace(aside)
    except OSError as error:
        log.warning("%s cannot be renamed: %s", path, error)
        return f"The preferences “{path}” cannot be read ({reason}). Defaults are used."
    return f"The preferences cannot be read ({reason}). They were set aside as “{aside}”, and defaults are used."


def _parse(content: Any) -> Preferences:
    if not isinstance(content, dict):
        raise PreferencesError("the file is not a list of names and values")
    version = content.pop("version", None)
    if version != VERSION:
        raise PreferencesError(f"version {version!r} is not {VERSION}, the one that this program knows")
    return typing.cast(Preferences, _build(Preferences, content, ""))


def _build(kind: Any, content: Any, place: str) -> Any:
    """A dataclass from its dictionary. Names that are not known are left out: an older program reads a newer file."""
    if not isinstance(content, dict):
        raise PreferencesError(f"{place} is not a list of names and values")
    hints = typing.get_type_hints(kind)
    values = {
        entry.name: _value(hints[entry.name], content[entry.name], f"{place}{entry.name}")
        for entry in fields(kind)
        if entry.name in content
    }
    return kind(**values)


def _value(kind: Any, value: Any, place: str) -> Any:
    if is_dataclass(kind):
        return _build(kind, value, f"{place}.")
    if typing.get_origin(kind) is Literal:
        if value in typing.get_args(kind):
            return value
        raise PreferencesError(f"{place}: {value!r} is none of {', '.join(typing.get_args(kind))}")
    if isinstance(kind, types.GenericAlias):
        if isinstance(value, dict) and all(isinstance(number, int | float) for number in value.values()):
            return {str(name): float(number) for name, number in value.items()}
    elif kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif type(value) is kind:
        return value
    raise PreferencesError(f"{place}: {value!r} is not what belongs there")


def _as_dict(value: Any) -> Any:
    if is_dataclass(value):
        return {entry.name: _as_dict(getattr(value, entry.name)) for entry in fields(value)}
    return value
