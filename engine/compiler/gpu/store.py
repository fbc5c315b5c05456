"""GPU networks in the user's cache folder: one folder per network, shape and target, checked before it is used.

A folder holds the kernels' source as TVM wrote it, for CUDA also compiled, the launches, the weights, and metadata with a
SHA-256 of each. It appears under its final name in one step.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.compiler import ffi, library, pruning
from engine.compiler.artifacts import Progress
from engine.compiler.folders import cache_folder
from engine.compiler.gpu import nvrtc
from engine.compiler.gpu.presets import GpuTarget
from engine.compiler.gpu.program import Program
from engine.compiler.versions import gpu_version, kernels_version, tvm_version
from engine.errors import CompilerError
from models.checkpoints import Checkpoint

PROGRAM, WEIGHTS = "program.json", "weights.bin"
SOURCES = {"opencl": "kernels.cl", "cuda": "kernels.cu"}
CODE = {"opencl": "kernels.cl", "cuda": "kernels.cubin"}  # what the driver takes
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GpuNetwork:
    """One network for one input shape, as it lies on disk.

    code: OpenCL C, or CUDA machine code. weights: of all layers; the program knows the offsets. name: for messages.
    """

    name: str
    height: int
    width: int
    joints: int
    program: Program
    code: bytes
    weights: bytes


def obtain(
    checkpoint: Checkpoint, height: int, width: int, target: GpuTarget, progress: Progress | None = None
) -> GpuNetwork:
    """The network, from the cache or built now. Raises CompilerError where it can be neither read nor written."""
    metadata = _describe(checkpoint, height, width, target)
    name = re.sub(r"[^\w.-]", "_", checkpoint.architecture.name)[:40]
    key = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode()).hexdigest()[:16]
    folder = cache_folder() / f"{name}-{width}x{height}-{target.name}-{key}"
    files = _read(folder, metadata, target)
    if isinstance(files, str):
        if folder.exists():
            log.warning("The network %s %s; it is built again.", folder, files)
        files = _build(checkpoint, height, width, target, folder, metadata, progress or (lambda step: None))
    else:
        # The time tells when it was last used. A cache that may only be read is used all the same.
        with contextlib.suppress(OSError):
            os.utime(folder / library.METADATA)
    return GpuNetwork(
        f"{checkpoint.architecture.name} at {width}×{height} for {target.name}",
        height,
        width,
        checkpoint.skeleton.joint_count,
        Program.from_json(files[PROGRAM].decode()),
        files[CODE[target.kind]],
        files[WEIGHTS],
    )


def _describe(checkpoint: Checkpoint, height: int, width: int, target: GpuTarget) -> dict[str, Any]:
    """All that the network depends on."""
    return {
        "size": checkpoint.architecture.name,
        "joints": checkpoint.skeleton.joint_count,
        "weights": checkpoint.sha256,
        "architecture": repr(checkpoint.architecture),
        "height": height,
        "width": width,
        "target": target.identity(),
        "kernels": kernels_version(),
        "gpu": gpu_version(),
        "tvm": tvm_version(),
    }


def _read(folder: Path, expected: dict[str, Any], target: GpuTarget) -> dict[str, bytes] | str:
    """The contents of the files by name, or why they cannot be used."""
    names = {PROGRAM, WEIGHTS, SOURCES[target.kind], CODE[target.kind]}
    try:
        stored = library.read_metadata(folder)
        files = {name: (folder / name).read_bytes() for name in names}
    except FileNotFoundError:
        return "is incomplete"
    except (OSError, ValueError) as error:
        return f"cannot be read ({error})"
    if {key: stored.get(key) for key in expected} != expected:
        return "was made from something else"
    return files if stored.get("sha256") == _digests(files) else "is damaged"


def _digests(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}


def _build(
    checkpoint: Checkpoint,
    height: int,
    width: int,
    target: GpuTarget,
    folder: Path,
    metadata: dict[str, Any],
    progress: Progress,
) -> dict[str, bytes]:
    started = time.monotonic()
    name = f"{checkpoint.architecture.name} at {width}×{height} for {target.name}"
    progress(f"Loading the compiler to build {name}")
    with ffi.without_torch():
        from engine.compiler.gpu.build import build_network

    progress(f"Writing the kernels of {name}")
    built = build_network(checkpoint, height, width, target)
    files = {
        PROGRAM: built.program.to_json().encode(),
        WEIGHTS: built.weights,
        SOURCES[target.kind]: built.source.encode(),
    }
    if target.kind == "cuda":
        progress(f"Compiling the kernels of {name}")
        files[CODE["cuda"]] = nvrtc.compile_source(built.source, target.arch)
    seconds = round(time.monotonic() - started, 1)
    text = json.dumps({**metadata, "build_seconds": seconds, "sha256": _digests(files)}, indent=1)
    try:
        _publish(folder, {**files, library.METADATA: text.encode()}, metadata, target)
    except OSError as error:
        raise CompilerError(
            f"Cannot store the network in “{folder.parent}”: {error.strerror or error}. Make the folder writable and "
            "give it 50 MB, or set LITEPOSE_CACHE to another folder."
        ) from error
    pruning.prune(pruning.survey(folder.parent), pruning.KEPT_S)
    progress(f"Built {name} in {seconds} s")
    return files


def _publish(folder: Path, files: dict[str, bytes], metadata: dict[str, Any], target: GpuTarget) -> None:
    """Writes a folder that appears complete, unless another process has put a good one there meanwhile."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f"{pruning.BUILDING}{os.getpid()}-", dir=folder.parent))
    aside = folder.parent / f"{pruning.REPLACED}{os.getpid()}-{folder.name}"
    try:
        for name, content in files.items():
            (building / name).write_bytes(content)
        try:
            building.rename(folder)
        except OSError:
            if not isinstance(_read(folder, metadata, target), str):
                return
            # A bad one is in the way; nobody has its files open, because they are read whole.
            folder.rename(aside)
            building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)
