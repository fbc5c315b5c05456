"""Compiled networks in the user's cache folder: one folder per network, shape and target, checked before it is opened.

A folder holds the library and its metadata with the library's SHA-256, and appears under its final name in one step, so
that another process sees all of it or nothing.
"""

import hashlib
import importlib.metadata
import json
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs

from engine.compiler import ffi
from engine.compiler.targets import Target
from engine.errors import CompilerError
from models.checkpoints import Checkpoint

LIBRARY, METADATA = "network.so", "metadata.json"
Progress = Callable[[str], None]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Artifact:
    """library: the shared library. metadata: what it was compiled from and for."""

    library: Path
    metadata: dict[str, Any]


def cache_folder() -> Path:
    """Where compiled networks are kept: LITEPOSE_CACHE, or the system's place for such files."""
    return Path(os.environ.get("LITEPOSE_CACHE") or platformdirs.user_cache_dir("litepose-live", appauthor=False))


def obtain(
    checkpoint: Checkpoint, height: int, width: int, target: Target, progress: Progress | None = None
) -> Artifact:
    """The compiled network, from the cache or built now. Raises CompilerError where it can be neither read nor written."""
    metadata = _describe(checkpoint, height, width, target)
    # A searched network may be called anything.
    name = re.sub(r"[^\w.-]", "_", checkpoint.architecture.name)[:40]
    folder = cache_folder() / f"{name}-{width}x{height}-{target.name}-{_key(metadata)}"
    fault = _fault(folder, metadata)
    if fault is None:
        return Artifact(folder / LIBRARY, metadata)
    if folder.exists():
        log.warning("The compiled network %s %s; it is built again.", folder, fault)
    return _build(checkpoint, height, width, target, folder, metadata, progress or (lambda step: None))


def _describe(checkpoint: Checkpoint, height: int, width: int, target: Target) -> dict[str, Any]:
    """All that the library depends on."""
    return {
        "size": checkpoint.architecture.name,
        "joints": checkpoint.skeleton.joint_count,
        "weights": checkpoint.sha256,
        "architecture": repr(checkpoint.architecture),
        "height": height,
        "width": width,
        "target": target.identity(),
        "kernels": _kernels_version(),
        "tvm": importlib.metadata.version("apache-tvm"),
    }


def _key(metadata: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(metadata, sort_keys=True).encode()).hexdigest()[:16]


@cache
def _kernels_version() -> str:
    """Changes whenever the source of the compiler does, so that no old library outlives its kernels."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted([*root.glob("*.py"), *(root / "kernels").glob("*.py")]):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _fault(folder: Path, expected: dict[str, Any]) -> str | None:
    """Why the artifact in `folder` cannot be used, or None if it can."""
    try:
        stored = json.loads((folder / METADATA).read_text(encoding="utf-8"))
        library = (folder / LIBRARY).read_bytes()
    except FileNotFoundError:
        return "is incomplete"
    except (OSError, ValueError) as error:
        return f"cannot be read ({error})"
    if not isinstance(stored, dict):
        return "has unreadable metadata"
    if {key: stored.get(key) for key in expected} != expected:
        return "was made from something else"
    if stored.get("sha256") != hashlib.sha256(library).hexdigest():
        return "is damaged"
    return None


def _build(
    checkpoint: Checkpoint,
    height: int,
    width: int,
    target: Target,
    folder: Path,
    metadata: dict[str, Any],
    progress: Progress,
) -> Artifact:
    started = time.monotonic()
    name = f"{checkpoint.architecture.name} at {width}×{height} for {target.name}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # A folder of our own: whoever else builds the same network has another.
        building = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    except OSError as error:
        raise _unwritable(folder.parent, error) from error
    try:
        progress(f"Loading the compiler to build {name}")
        with ffi.without_torch():
            from engine.compiler.build import compile_network

        progress(f"Compiling {name}")
        compile_network(checkpoint, height, width, target, building / LIBRARY)
        digest = hashlib.sha256((building / LIBRARY).read_bytes()).hexdigest()
        seconds = round(time.monotonic() - started, 1)
        text = json.dumps({**metadata, "sha256": digest, "build_seconds": seconds}, indent=1)
        (building / METADATA).write_text(text, encoding="utf-8")
        _publish(building, folder, metadata)
        progress(f"Built {name} in {seconds} s")
    except OSError as error:
        raise _unwritable(folder.parent, error) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return Artifact(folder / LIBRARY, metadata)


def _publish(building: Path, folder: Path, metadata: dict[str, Any]) -> None:
    """Moves a finished build to its place, unless another process has put a good one there meanwhile."""
    for _ in range(3):
        try:
            building.rename(folder)
            return
        except OSError:
            if _fault(folder, metadata) is None:
                return
            if not folder.exists():
                raise
            # A bad one is in the way: step it aside first, because a folder in use cannot be replaced in one step.
            aside = Path(tempfile.mkdtemp(prefix=".old-", dir=folder.parent))
            try:
                folder.rename(aside / "old")
            except FileNotFoundError:
                pass  # somebody else was faster
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    raise CompilerError(f"Cannot replace the compiled network “{folder}”. Delete that folder and try again.")


def _unwritable(folder: Path, error: OSError) -> CompilerError:
    reason = error.strerror or str(error)
    return CompilerError(
        f"Cannot store the compiled network in “{folder}”: {reason}. Make the folder writable and give it 50 MB, or set "
        "LITEPOSE_CACHE to another folder."
    )
