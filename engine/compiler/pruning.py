"""What lies in the cache of compiled networks, and the removal of what nobody will open again."""

import contextlib
import logging
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from engine.compiler import library
from engine.compiler.versions import gpu_version, kernels_version, tvm_version
from models import architecture, checkpoints, manifest
from models.errors import WeightsError

BUILDING, REPLACED = ".building-", ".old-"  # folders that a process works in, followed by its number
DAY_S = 86_400.0
# Networks of an older version may be those of another installation that shares the cache.
KEPT_S = 14 * DAY_S
# A process that cannot be seen from here, in another container, may still be building.
GRACE_S = 600.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """A folder of the cache.

    size:   in bytes.
    used:   when it was last opened, in seconds since 1970.
    reason: why this installation will never open it, in a few words; "" where it may.
    """

    folder: Path
    size: int
    used: float
    reason: str


def survey(cache: Path) -> list[Entry]:
    """Everything in the folder `cache`, by name."""
    try:
        folders = sorted(path for path in cache.iterdir() if path.is_dir() and _is_ours(path))
    except OSError:
        return []
    weights = _current_weights()
    return [_entry(folder, weights) for folder in folders]


def prune(entries: list[Entry], unused_s: float = 0.0) -> tuple[int, int]:
    """Removes what has no use and was not opened for `unused_s` seconds. -> folders and bytes that are gone."""
    count = size = 0
    for entry in entries:
        if not entry.reason or time.time() - entry.used < unused_s:
            continue
        shutil.rmtree(entry.folder, ignore_errors=True)
        if not entry.folder.exists():
            log.info("removed %s: %s", entry.folder, entry.reason)
            count, size = count + 1, size + entry.size
    return count, size


def _is_ours(folder: Path) -> bool:
    """A user may have pointed LITEPOSE_CACHE at a folder with other things in it."""
    name = folder.name
    return name.startswith((BUILDING, REPLACED)) or bool(re.fullmatch(r".+-\d+x\d+-.+-[0-9a-f]{16}", name))


def _entry(folder: Path, weights: dict[str, str]) -> Entry:
    size, used = 0, 0.0
    with contextlib.suppress(OSError):
        used = folder.stat().st_mtime
        for path in folder.rglob("*"):
            status = path.stat()
            size, used = size + status.st_size, max(used, status.st_mtime)
    return Entry(folder, size, used, _reason(folder, used, weights))


def _reason(folder: Path, used: float, weights: dict[str, str]) -> str:
    if folder.name.startswith((BUILDING, REPLACED)):
        return "" if _is_worked_on(folder, used) else "left over from a build that was ended"
    try:
        stored = library.read_metadata(folder)
    except (OSError, ValueError):
        return "incomplete"
    if stored.get("tvm") != tvm_version():
        return f"made with TVM {stored.get('tvm')}"
    # Only a GPU's network says which sources of the GPU's part it was made by.
    if stored.get("kernels") != kernels_version() or stored.get("gpu", gpu_version()) != gpu_version():
        return "made by another version of the compiler"
    current = weights.get(str(stored.get("size")))
    return "" if current in (None, stored.get("weights")) else "made from other weights than its size has now"


def _current_weights() -> dict[str, str]:
    """Digest of each size's weights. A size whose weights cannot be read speaks against no network."""
    digests: dict[str, str] = {}
    for size in architecture.available():
        with contextlib.suppress(WeightsError):
            if manifest.find(size):
                digests[size] = checkpoints.load(size).sha256
    return digests


def _is_worked_on(folder: Path, used: float) -> bool:
    age = time.time() - used
    number = re.match(r"\.\w+-(\d+)-", folder.name)
    alive = number is None or psutil.pid_exists(int(number.group(1)))
    return age < GRACE_S or (alive and age < DAY_S)
