"""A compiled network on disk: a folder with the shared library and its metadata, checked before it is opened."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.json_text import from_json

LIBRARY, METADATA = "network.so", "metadata.json"


@dataclass(frozen=True, slots=True)
class Artifact:
    """library: the shared library. metadata: what it was compiled from and for."""

    library: Path
    metadata: dict[str, Any]


def describe(folder: Path, metadata: dict[str, Any]) -> None:
    """Writes the metadata beside a finished library, with its digest."""
    digest = hashlib.sha256((folder / LIBRARY).read_bytes()).hexdigest()
    (folder / METADATA).write_text(json.dumps({**metadata, "sha256": digest}, indent=1), encoding="utf-8")


def read_metadata(folder: Path) -> dict[str, Any]:
    """Raises OSError or ValueError where there is none that can be read."""
    stored = from_json((folder / METADATA).read_text(encoding="utf-8"))
    if not isinstance(stored, dict):
        raise ValueError("no dictionary")
    return stored


def fault(folder: Path, expected: dict[str, Any] | None = None) -> str | None:
    """Why the library in `folder` cannot be used, or None if it can. expected: what its metadata must say."""
    try:
        stored = read_metadata(folder)
        library = (folder / LIBRARY).read_bytes()
    except FileNotFoundError:
        return "is incomplete"
    except (OSError, ValueError) as error:
        return f"cannot be read ({error})"
    if expected is not None and {key: stored.get(key) for key in expected} != expected:
        return "was made from something else"
    if stored.get("sha256") != hashlib.sha256(library).hexdigest():
        return "is damaged"
    return None
