"""Which of the offered devices and precisions this machine has. Asked in a process of its own: a broken GPU driver may crash it.

`python -m app.device_probe` prints the answer as JSON. No Qt.
"""

import json
import logging
import subprocess
import sys
from pathlib import Path

from engine.errors import LitePoseError

PATIENCE_S = 20.0  # some drivers build themselves first
log = logging.getLogger(__name__)


def missing() -> dict[str, str]:
    """Why what cannot be used here cannot, by its value ("cuda", "fp16", …). What is not named can be used, or is not known."""
    command = [sys.executable, "-m", "app.device_probe"]
    root = Path(__file__).resolve().parents[1]
    try:
        done = subprocess.run(
            command, cwd=root, capture_output=True, text=True, encoding="utf-8", timeout=PATIENCE_S, check=True
        )
        found: dict[str, str] = json.loads(done.stdout)
        return found
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        log.warning("what this machine can run networks on is not known: %s", error)
        return {}


def _ask() -> dict[str, str]:
    from engine.compiler import targets
    from engine.compiler.gpu import devices

    reasons = {}
    for kind in ("opencl", "cuda"):
        try:
            devices.names(kind)
        except LitePoseError as error:
            reasons[kind] = str(error)
    for precision in targets.PRECISIONS:
        try:
            targets.load(precision=precision)
        except LitePoseError as error:
            reasons[precision] = str(error)
    return reasons


if __name__ == "__main__":
    print(json.dumps(_ask()))
