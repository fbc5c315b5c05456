"""Whether this program may use a camera, and why one does not open."""

import importlib
import logging
import os
import sys
import threading
from pathlib import Path

from engine.errors import SourceError
from engine.sources.camera_list import CameraInfo

logger = logging.getLogger(__name__)

# AVAuthorizationStatus of AVFoundation.
NOT_ASKED, AUTHORISED = 0, 3
# Shorter than a session waits for a source, so that this message is the one that is shown.
ANSWER_S = 8.0
PROCESSES = Path("/proc")


def check_access(camera: CameraInfo, platform: str = sys.platform) -> None:
    """Raises SourceError where the system's settings forbid this program to use the camera. On macOS, asks the user once."""
    if platform == "darwin":
        _ask_macos(camera.name)
    elif camera.path:
        if not Path(camera.path).exists():
            raise SourceError(f"The camera “{camera.name}” is not connected ({camera.path} does not exist).")
        if not os.access(camera.path, os.R_OK | os.W_OK):
            raise SourceError(
                f"The camera “{camera.name}” may not be used by this account. Add it to the group “video”"
                f" (sudo usermod -aG video $USER) and log in again."
            )


def _ask_macos(name: str) -> None:
    # OpenCV asks from the main thread only and fails in any other one, so that is left to us; see engine.sources.
    try:
        framework = importlib.import_module("AVFoundation")
    except ImportError:
        logger.warning("Without pyobjc-framework-AVFoundation nobody can ask macOS whether a camera may be used.")
        return
    device, media = framework.AVCaptureDevice, framework.AVMediaTypeVideo
    status = device.authorizationStatusForMediaType_(media)
    if status == NOT_ASKED:
        answered = threading.Event()
        device.requestAccessForMediaType_completionHandler_(media, lambda granted: answered.set())
        if not answered.wait(ANSWER_S):
            raise SourceError(f"macOS asks whether the camera “{name}” may be used. Allow it, then choose it again.")
        status = device.authorizationStatusForMediaType_(media)
    if status != AUTHORISED:
        raise SourceError(
            f"macOS does not let this program use the camera “{name}”. Allow it in System Settings → Privacy &"
            " Security → Camera (for the terminal, where it was started from one), and start it again."
        )


def why_closed(camera: CameraInfo, platform: str = sys.platform) -> str:
    """The sentence for a camera that is there and allowed, but does not open or gives no picture."""
    users = _users_of(camera.path) if camera.path else []
    if users:
        return f"The camera “{camera.name}” is in use by {', '.join(users)}. Close it there, or choose another camera."
    blocked = ", or Windows keeps it from programs (Settings → Privacy & security → Camera)" * (platform == "win32")
    return (
        f"The camera “{camera.name}” gives no picture. Another program may be using it{blocked}. Close it there, or"
        " unplug the camera and connect it again."
    )


def _users_of(path: str) -> list[str]:
    """Names of the other programs of this account that have the device file open, on Linux."""
    users = []
    for process in PROCESSES.glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            if any(str(handle.readlink()) == path for handle in (process / "fd").iterdir()):
                users.append(f"“{(process / 'comm').read_text().strip()}” (process {process.name})")
        except OSError:
            # Ended meanwhile, or another account's.
            continue
    return sorted(users)
