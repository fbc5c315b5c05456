"""Where compiled networks lie, how much they take, and whether there is room."""

import os
import shutil
from pathlib import Path

from engine.compiler import pruning
from engine.compiler.folders import cache_folder
from engine.doctor.findings import Finding, State

MEGA = 1e6
LEAST_FREE = 100 * MEGA  # the five shapes of a size take about half of it
MUCH = 500 * MEGA


def examine() -> list[Finding]:
    folder = cache_folder()
    return [_place(folder), _free(folder), _content(folder)]


def _place(folder: Path) -> Finding:
    existing = _existing(folder)
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return Finding("place", str(folder) if folder.exists() else f"{folder} (not there yet)")
    return Finding(
        "place", f"{folder} cannot be written", State.FAULT, "Make it writable, or set LITEPOSE_CACHE to another folder"
    )


def _free(folder: Path) -> Finding:
    try:
        free = shutil.disk_usage(_existing(folder)).free
    except OSError as error:
        return Finding("free space", f"cannot be asked: {error.strerror or error}", State.NOTE)
    text = f"{free / MEGA:,.0f} MB"
    if free < LEAST_FREE:
        return Finding("free space", text, State.FAULT, "Make room, or set LITEPOSE_CACHE to a folder on another disk")
    return Finding("free space", text)


def _content(folder: Path) -> Finding:
    entries = pruning.survey(folder)
    useless = [entry for entry in entries if entry.reason]
    size, waste = (sum(entry.size for entry in some) for some in (entries, useless))
    text = f"{len(entries)} networks, {size / MEGA:,.0f} MB"
    if useless:
        text += f"; {len(useless)} of them, {waste / MEGA:,.0f} MB, nothing opens any more"
    return Finding(
        "content", text, State.NOTE if waste > MUCH else State.GOOD, "main.py compile --prune" * bool(useless)
    )


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
