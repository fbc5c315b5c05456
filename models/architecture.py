"""What a LitePose network looks like: widths, depths, kernels, fusion and resolution, read from YAML. No torch."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from models import yaml_text
from models.errors import ArchitectureError

FOLDER = Path(__file__).parent / "architectures"
SIZES = ("xs", "s", "m", "l")
STEM_CHANNELS = 32
KERNELS = (3, 5, 7, 9)
_KEYS = {"name", "resolution", "stem", "expansion", "kernel", "stages", "deconv", "fusion", "head_kernel"}
_STAGE_KEYS = {"width", "depth", "stride", "expansion", "kernel"}


@dataclass(frozen=True, slots=True)
class Block:
    """One inverted bottleneck: expand 1×1 to `middle` channels, depthwise `kernel`×`kernel` at `stride`, project 1×1."""

    inputs: int
    middle: int
    outputs: int
    kernel: int
    stride: int

    @property
    def residual(self) -> bool:
        return self.stride == 1 and self.inputs == self.outputs


@dataclass(frozen=True, slots=True)
class Stage:
    width: int
    depth: int
    stride: int
    expansion: int
    kernel: int


@dataclass(frozen=True, slots=True)
class Architecture:
    """A LitePose network (Wang et al., CVPR 2022), without its number of joints.

    resolution: side of the paper's square input, in pixels.
    stem:       channels after the stem (3×3 stride 2, depthwise 3×3, 1×1).
    stages:     the backbone's four stages of inverted bottlenecks.
    deconv:     channels after each of the three 4×4 stride-2 transposed convolutions of the head.
    fusion:     whether the head adds the backbone's features of the same stride (the fusion deconv head).
    """

    name: str
    resolution: int
    stem: int
    stages: tuple[Stage, ...]
    deconv: tuple[int, int, int]
    fusion: bool
    head_kernel: int

    def blocks(self) -> list[list[Block]]:
        """The inverted bottlenecks of each stage, in order."""
        result, inputs = [], self.stem
        for stage in self.stages:
            row = []
            for i in range(stage.depth):
                middle = max(8, (inputs * stage.expansion + 4) // 8 * 8)
                row.append(Block(inputs, middle, stage.width, stage.kernel, stage.stride if i == 0 else 1))
                inputs = stage.width
            result.append(row)
        return result

    def feature_channels(self) -> tuple[int, ...]:
        """Channels of the stem and of each stage: the features that the head may fuse."""
        return (self.stem, *(stage.width for stage in self.stages))


def available() -> list[str]:
    """Names of the architectures beside this module, the paper's sizes first."""
    found = {path.stem for path in FOLDER.glob("*.yaml")}
    return [size for size in SIZES if size in found] + sorted(found - set(SIZES))


def load(name_or_path: str | Path) -> Architecture:
    """Reads an architecture by its name ("xs") or from a YAML file. Raises ArchitectureError with what is wrong in it."""
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        name = str(name_or_path).lower()
        path = FOLDER / f"{name}.yaml"
        if name not in available():
            raise ArchitectureError(
                f"Unknown model size “{name_or_path}”. Choose one of {', '.join(available())}, or name a YAML file."
            )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ArchitectureError(f"Cannot read the architecture “{path}”: {error}.") from error
    return from_yaml(text, str(path))


def from_yaml(text: str, origin: str) -> Architecture:
    """Reads the text of a YAML file. `origin` names it in messages."""
    try:
        content = yaml_text.from_yaml(text)
    except ValueError as error:
        raise ArchitectureError(f"“{origin}” is not valid YAML: {error}") from error
    return parse(content, origin)


def to_yaml(architecture: Architecture) -> str:
    """The text from which `from_yaml` makes the same architecture."""
    fields = asdict(architecture)
    fields["stages"] = list(fields["stages"])
    fields["deconv"] = list(fields["deconv"])
    return yaml.safe_dump(fields, sort_keys=False)


def parse(content: Any, origin: str) -> Architecture:
    """Checks the content of a YAML file. `origin` names it in messages."""
    fields = _mapping(content, _KEYS, {"stages", "resolution", "stem", "deconv"}, origin)
    expansion = _whole(fields.get("expansion", 6), 1, 16, f"{origin}: expansion")
    kernel = _kernel(fields.get("kernel", 7), f"{origin}: kernel")
    rows = fields["stages"]
    if not isinstance(rows, list) or len(rows) != 4:
        raise ArchitectureError(f"{origin}: stages must be a list of four.")
    stages = []
    for number, row in enumerate(rows, 1):
        where = f"{origin}: stage {number}"
        stage = _mapping(row, _STAGE_KEYS, {"width", "depth", "stride"}, where)
        stages.append(
            Stage(
                width=_channels(stage["width"], f"{where}: width"),
                depth=_whole(stage["depth"], 1, 64, f"{where}: depth"),
                stride=_whole(stage["stride"], 1, 2, f"{where}: stride"),
                expansion=_whole(stage.get("expansion", expansion), 1, 16, f"{where}: expansion"),
                kernel=_kernel(stage.get("kernel", kernel), f"{where}: kernel"),
            )
        )
    if [stage.stride for stage in stages] != [2, 2, 2, 1]:
        raise ArchitectureError(f"{origin}: the strides of the stages must be 2, 2, 2, 1: the head expects stride 16.")
    deconv = fields["deconv"]
    if not isinstance(deconv, list) or len(deconv) != 3:
        raise ArchitectureError(f"{origin}: deconv must be a list of three channel counts.")
    fusion = fields.get("fusion", True)
    if not isinstance(fusion, bool):
        raise ArchitectureError(f"{origin}: fusion must be true or false, not {fusion!r}.")
    resolution = _whole(fields["resolution"], 64, 2048, f"{origin}: resolution")
    if resolution % 32:
        raise ArchitectureError(f"{origin}: resolution must be a multiple of 32, not {resolution}.")
    a, b, c = (_channels(value, f"{origin}: deconv") for value in deconv)
    return Architecture(
        name=str(fields.get("name", Path(origin).stem)),
        resolution=resolution,
        stem=_channels(fields["stem"], f"{origin}: stem"),
        stages=tuple(stages),
        deconv=(a, b, c),
        fusion=fusion,
        head_kernel=_kernel(fields.get("head_kernel", 5), f"{origin}: head_kernel"),
    )


def _mapping(content: Any, known: set[str], required: set[str], where: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ArchitectureError(f"{where}: expected keys and values, found {type(content).__name__}.")
    unknown, missing = {str(key) for key in content} - known, required - set(content)
    if unknown:
        raise ArchitectureError(
            f"{where}: unknown key {', '.join(sorted(unknown))}. Known: {', '.join(sorted(known))}."
        )
    if missing:
        raise ArchitectureError(f"{where}: missing {', '.join(sorted(missing))}.")
    return content


def _whole(value: Any, low: int, high: int, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ArchitectureError(f"{where} must be a whole number from {low} to {high}, not {value!r}.")
    return value


def _channels(value: Any, where: str) -> int:
    return _whole(value, 1, 1024, where)


def _kernel(value: Any, where: str) -> int:
    if value not in KERNELS or isinstance(value, bool):
        raise ArchitectureError(f"{where} must be one of {', '.join(map(str, KERNELS))}, not {value!r}.")
    return int(value)
