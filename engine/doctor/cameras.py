"""Cameras that are connected, whether they may be used, and the formats that they offer."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.doctor.findings import Finding, State
from engine.errors import SourceError
from engine.sources import camera_access, find_cameras
from engine.sources.camera_list import CameraInfo


def examine(list_cameras: Callable[[], Sequence[CameraInfo]] = find_cameras) -> list[Finding]:
    try:
        cameras = list_cameras()
    except SourceError as error:
        return [Finding("cameras", str(error), State.FAULT)]
    if not cameras:
        remedy = "Connect one; files, streams and the demo work without"
        return [Finding("cameras", "none is connected", State.NOTE, remedy)]
    return [finding for camera in cameras for finding in _camera(camera)]


def _camera(camera: CameraInfo) -> list[Finding]:
    place = camera.path or f"number {camera.number}"
    if sys.platform == "linux":
        # On macOS this would ask the user.
        try:
            camera_access.check_access(camera)
        except SourceError as error:
            return [Finding(camera.name, str(error), State.NOTE, "sudo usermod -aG video $USER, then log in again")]
    findings = [Finding(camera.name, f'{place}; choose it with --source "{camera.text}"')]
    if sys.platform == "linux" and camera.path:
        from engine.doctor.camera_formats import formats

        try:
            findings += [Finding("format", str(found)) for found in formats(Path(camera.path))]
        except OSError as error:
            findings.append(Finding("format", f"the driver does not tell: {error.strerror or error}", State.NOTE))
    return findings
