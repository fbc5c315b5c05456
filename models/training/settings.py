"""What a training run is: everything that decides its result, read from YAML. No torch."""

from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from models.errors import LitePoseError
from models.yaml_text import from_yaml


class TrainingError(LitePoseError):
    """A training run is described wrongly, or cannot start or go on."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far a view may be from its picture. Ranges are drawn log-uniformly, angles uniformly.

    person_scale:   a chosen person's extent, as a share of the view's shorter side (60 % of the views choose one).
    close_up:       share of those views that look at the person's head and shoulders, as a webcam does, if they are
                    labelled; close_up_scale: their extent, likewise.
    picture_scale:  the whole picture, relative to just covering the view (the others).
    largest_zoom:   most enlarged pixels.
    rotation:       largest angle in degrees, in `rotated` of the views.
    stretch:        largest logarithm of the change of aspect.
    shift:          largest shift of the centre, as a share of the view.
    side_by_side, mosaic: shares of views made of two, of four pictures.
    brightness, contrast, gamma, tint: largest relative changes. grey, blur, noise, erase: shares of views.
    """

    person_scale: tuple[float, float] = (0.25, 1.7)
    close_up: float = 0.0
    close_up_scale: tuple[float, float] = (0.35, 1.4)
    picture_scale: tuple[float, float] = (0.7, 1.45)
    largest_zoom: float = 3.0
    rotation: float = 30.0
    rotated: float = 0.5
    stretch: float = 0.2
    shift: float = 0.25
    side_by_side: float = 0.15
    mosaic: float = 0.0
    brightness: float = 0.3
    contrast: float = 0.3
    gamma: float = 0.2
    tint: float = 0.08
    grey: float = 0.06
    blur: float = 0.08
    noise: float = 0.08
    erase: float = 0.15


@dataclass(frozen=True, slots=True)
class Schedule:
    """Learning rate over views: a linear warm-up after every start from other weights, then constant or a half cosine.

    end: learning rate at the end of a cosine. views: its length.
    """

    kind: str = "constant"
    rate: float = 1.5e-3
    end: float = 1e-5
    warm_up: int = 2000
    views: int = 600_000

    def __post_init__(self) -> None:
        if self.kind not in ("constant", "cosine"):
            raise TrainingError(f"schedule: kind must be constant or cosine, not “{self.kind}”.")


@dataclass(frozen=True, slots=True)
class Loss:
    """joint_weight: places at a joint's centre count 1 + joint_weight times (the paper: 0). pull, push: factors of the tag
    losses (the paper: 1e-3; with few views the tags then stay collapsed). sigma: of targets, in pixels of each map, at
    least; tolerance: of large people's, as a share of the distance that OKS allows a joint (0, as in the paper: as small
    people's).
    """

    joint_weight: float = 3.0
    pull: float = 1e-2
    push: float = 1e-2
    sigma: float = 2.0
    tolerance: float = 0.0


@dataclass(frozen=True, slots=True)
class Distillation:
    """teacher: a size or a weights file; its heatmaps are a second target with this weight."""

    teacher: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Settings:
    """One training run.

    size:         an architecture's name or YAML file. skeleton: of the labels.
    shapes:       input sizes (width, height) in pixels, multiples of 32; each batch draws one.
    average:      decay per step of the averaged weights, which are what is judged and shipped.
    part_weights: how often pictures of a set are drawn, relative to 1; pictures without labelled people count `empty`.
    most_people, most_ignored: kept per view, the best labelled and the largest ones.
    """

    size: str
    skeleton: str = "coco-17"
    shapes: tuple[tuple[int, int], ...] = ((256, 256),)
    batch: int = 8
    weight_decay: float = 1e-2
    clip: float = 0.5
    average: float = 0.9995
    seed: int = 1
    empty: float = 0.15
    part_weights: dict[str, float] = field(default_factory=dict)
    most_people: int = 16
    most_ignored: int = 16
    schedule: Schedule = field(default_factory=Schedule)
    loss: Loss = field(default_factory=Loss)
    augmentation: Augmentation = field(default_factory=Augmentation)
    distillation: Distillation | None = None

    def __post_init__(self) -> None:
        if not self.shapes or any(side % 32 or side < 32 for shape in self.shapes for side in shape):
            raise TrainingError("shapes must be pairs of multiples of 32, such as [256, 256].")
        if self.batch < 1:
            raise TrainingError("batch must be at least 1.")


def load(path: Path) -> Settings:
    """Reads a run's settings. Raises TrainingError with the key that is wrong."""
    try:
        content = from_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"Cannot read the training settings “{path}”: {error}.") from error
    result = _build(Settings, content, str(path))
    assert isinstance(result, Settings)
    return result


def _build(kind: Any, content: Any, where: str) -> Any:
    """A value of a type hint from YAML's plain values."""
    if is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(content, dict):
            raise TrainingError(f"{where}: expected keys and values, not {content!r}.")
        hints = get_type_hints(kind)
        unknown = [str(key) for key in content if key not in hints]
        if unknown:
            known = ", ".join(one.name for one in fields(kind))
            raise TrainingError(f"{where}: unknown key {', '.join(unknown)}. Known: {known}.")
        try:
            return kind(**{key: _build(hints[key], value, f"{where}: {key}") for key, value in content.items()})
        except TypeError as error:
            raise TrainingError(f"{where}: {error}.") from error
    arguments = get_args(kind)
    if get_origin(kind) in (UnionType, Union):
        return None if content is None else _build(arguments[0], content, where)
    if get_origin(kind) is tuple:
        if not isinstance(content, list) or (arguments[-1] is not ... and len(content) != len(arguments)):
            raise TrainingError(f"{where}: expected a list of {len(arguments)} values, not {content!r}.")
        return tuple(_build(arguments[0], value, where) for value in content)
    if get_origin(kind) is dict:
        if not isinstance(content, dict):
            raise TrainingError(f"{where}: expected keys and values, not {content!r}.")
        return {str(key): _build(arguments[1], value, f"{where}: {key}") for key, value in content.items()}
    if kind is str and isinstance(content, str):
        return content
    number = isinstance(content, int | float) and not isinstance(content, bool)
    if kind in (int, float) and number and (kind is float or content == int(content)):
        return kind(content)
    raise TrainingError(f"{where}: expected a value of type {kind.__name__}, not {content!r}.")
