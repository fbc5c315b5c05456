"""Which sizes have weights, where they lie and how good they are. No torch.

Ours lie in `models/weights/` and are listed in its `manifest.yaml`. Those that a user imported lie in a folder of the
user's, one file per size, and come before ours: who imports weights wants them used.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
import yaml

from models.errors import WeightsError
from models.yaml_text import from_yaml

FOLDER = Path(__file__).parent / "weights"
MANIFEST = "manifest.yaml"


@dataclass(frozen=True, slots=True)
class Figure:
    """Average precision on one part of the validation pictures, in [0, 1].

    part: which pictures: "all", or the name of a set.
    side: the pixel budget of the network's input is side × side.
    ap:   COCO AP over OKS 0.50:0.95; ap50 at OKS 0.50, None where not measured.
    """

    part: str
    side: int
    ap: float
    ap50: float | None = None


@dataclass(frozen=True, slots=True)
class Weights:
    """A file of weights.

    skeleton, date (ISO), data and figures are what the manifest says; empty for imported files.
    sha256: of the file, in hexadecimal; empty for imported files.
    """

    size: str
    path: Path
    imported: bool
    sha256: str = ""
    skeleton: str = ""
    date: str = ""
    data: str = ""
    figures: tuple[Figure, ...] = ()

    def matches_manifest(self) -> bool:
        """Whether the file is the one that the manifest lists; always true for imported files. Reads the file."""
        return self.imported or hashlib.sha256(self.path.read_bytes()).hexdigest() == self.sha256


def user_folder() -> Path:
    """Where imported weights lie: LITEPOSE_WEIGHTS, or the system's place for a program's data."""
    given = os.environ.get("LITEPOSE_WEIGHTS")
    return Path(given) if given else Path(platformdirs.user_data_dir("litepose-live", appauthor=False)) / "weights"


def find(size: str, folder: Path = FOLDER) -> Weights | None:
    """The weights that a size name stands for, or None. Raises WeightsError where the manifest cannot be read."""
    own = user_folder() / f"{size}.safetensors"
    if own.is_file():
        return Weights(size, own, imported=True)
    return read(folder).get(size)


def read(folder: Path = FOLDER) -> dict[str, Weights]:
    """The manifest of a folder, by size."""
    path = folder / MANIFEST
    try:
        content = from_yaml(path.read_text(encoding="utf-8"))
        return {str(size): _weights(str(size), entry, folder) for size, entry in (content or {}).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"The list of weights “{path}” cannot be read: {error!r}. Install the program again."
        ) from error


def write(entries: dict[str, Weights], folder: Path = FOLDER) -> None:
    """Replaces the manifest of a folder."""
    content = {
        size: {
            "file": entry.path.name,
            "sha256": entry.sha256,
            "skeleton": entry.skeleton,
            "date": entry.date,
            "data": entry.data,
            "figures": [
                {"part": figure.part, "side": figure.side, "ap": figure.ap}
                | ({} if figure.ap50 is None else {"ap50": figure.ap50})
                for figure in entry.figures
            ],
        }
        for size, entry in entries.items()
    }
    head = (
        "# Our weights by size. Written by models/publish.py; AP over OKS 0.50:0.95, `side` the input's pixel budget.\n"
    )
    text = head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def _weights(size: str, entry: dict[str, Any], folder: Path) -> Weights:
    figures = tuple(
        Figure(str(row["part"]), int(row["side"]), float(row["ap"]), float(row["ap50"]) if "ap50" in row else None)
        for row in entry.get("figures", [])
    )
    return Weights(
        size=size,
        path=folder / str(entry["file"]),
        imported=False,
        sha256=str(entry["sha256"]),
        skeleton=str(entry["skeleton"]),
        date=str(entry["date"]),
        data=str(entry["data"]),
        figures=figures,
    )
