"""Compiled networks in the user's cache folder: one folder per network, shape and target, checked before it is opened.

A folder holds the library and its metadata with the library's SHA-256, and appears under its final name in one step, so
that another process sees all of it or nothing.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.compiler import ffi, library, pruning
from engine.compiler.folders import cache_folder
from engine.compiler.library import LIBRARY, METADATA, Artifact
from engine.compiler.targets import Target
from engine.compiler.versions import kernels_version, tvm_version
from engine.errors import CompilerError
from models.checkpoints import Checkpoint

Progress = Callable[[str], None]
log = logging.getLogger(__name__)


def obtain(
    checkpoint: Checkpoint, height: int, width: int, target: Target, progress: Progress | None = None
) -> Artifact:
    """The compiled network, from the cache or built now. Raises CompilerError where it can be neither read nor written."""
    metadata = _describe(checkpoint, height, width, target)
    # A searched network may be called anything, and so may a user's own target.
    name, of_target = (re.sub(r"[^\w.-]", "_", text)[:40] for text in (checkpoint.architecture.name, target.name))
    folder = cache_folder() / f"{name}-{width}x{height}-{of_target}-{_key(metadata)}"
    fault = library.fault(folder, metadata)
    if fault is None:
        _mark_used(folder)
        return Artifact(folder / LIBRARY, metadata)
    if folder.exists():
        log.warning("The compiled network %s %s; it is built again.", folder, fault)
    return _build(checkpoint, height, width, target, folder, metadata, progress or (lambda step: None))


def _mark_used(folder: Path) -> None:
    """The metadata's time tells when a network was last used. A cache that may only be read is used all the same."""
    with contextlib.suppress(OSError):
        os.utime(folder / METADATA)


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
        "kernels": kernels_version(),
        "tvm": tvm_version(),
        **({"ranges": repr(checkpoint.activation_ranges())} if target.precision == "int8" else {}),
    }


def _key(metadata: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(metadata, sort_keys=True).encode()).hexdigest()[:16]


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
        building = Path(tempfile.mkdtemp(prefix=f"{pruning.BUILDING}{os.getpid()}-", dir=folder.parent))
    except OSError as error:
        raise _unwritable(folder.parent, error) from error
    try:
        progress(f"Loading the compiler to build {name}")
        with ffi.without_torch():
            from engine.compiler.build import compile_network

        progress(f"Compiling {name}")
        compile_network(checkpoint, height, width, target, building / LIBRARY)
        seconds = round(time.monotonic() - started, 1)
        library.describe(building, {**metadata, "build_seconds": seconds})
        _publish(building, folder, metadata)
        pruning.prune(pruning.survey(folder.parent), pruning.KEPT_S)
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
            if library.fault(folder, metadata) is None:
                return
            if not folder.exists():
                raise
            # A bad one is in the way: step it aside first, because a folder in use cannot be replaced in one step.
            aside = Path(tempfile.mkdtemp(prefix=f"{pruning.REPLACED}{os.getpid()}-", dir=folder.parent))
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
