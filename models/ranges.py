"""Ranges of the activations inside a network, as found by calibration: what 8-bit arithmetic needs beside the weights."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from models.errors import WeightsError
from models.json_text import from_json

SUFFIX = ".ranges.json"


@dataclass(frozen=True, slots=True)
class Ranges:
    """weights: sha256 of the checkpoint that they are of. pictures: how many were looked at. layers: (lowest, highest) value
    that a layer reads, by the layer's name."""

    weights: str
    pictures: int
    layers: dict[str, tuple[float, float]]


def beside(weights: Path) -> Path:
    """Where the ranges of a weights file lie."""
    return weights.with_suffix(SUFFIX)


def read(path: Path) -> Ranges | None:
    """None where there is no such file. Raises WeightsError for one that is damaged."""
    try:
        content = from_json(path.read_text(encoding="utf-8"))
        layers = {str(name): (float(low), float(high)) for name, (low, high) in content["layers"].items()}
        if not all(math.isfinite(low) and math.isfinite(high) and low <= high for low, high in layers.values()):
            raise ValueError("a range is not finite, or ends before it begins")
        return Ranges(str(content["weights"]), int(content["pictures"]), layers)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(
            f"The ranges “{path}” cannot be read: {error!r}. Remove the file, or make it again: main.py models calibrate."
        ) from error


def write(ranges: Ranges, path: Path) -> None:
    """Raises WeightsError where the file cannot be written."""
    layers = {name: [round(value, 6) for value in found] for name, found in ranges.layers.items()}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(found)}" for name, found in layers.items())
    text = f'{{"weights": "{ranges.weights}",\n "pictures": {ranges.pictures},\n "layers": {{\n{lines}\n }}}}\n'
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WeightsError(f"Cannot write the ranges “{path}”: {error}.") from error
