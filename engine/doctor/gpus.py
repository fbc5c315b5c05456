"""Graphics processors that could run the network. None is no fault: the processor does, by default."""

import json
import os
import subprocess
import sys
from pathlib import Path

from engine.doctor.findings import Finding, State

KINDS = ("opencl", "cuda")
PROBE_S = 60.0
# A driver that is installed badly ends the process that loads it, or never answers.
PROBE = """
import json, sys
from engine.compiler.gpu.device import DeviceError
from engine.compiler.gpu.devices import names
try:
    answer = {"names": names(sys.argv[1])}
except DeviceError as error:
    answer = {"reason": str(error)}
print(json.dumps(answer))
"""


def examine() -> list[Finding]:
    return [device(kind, PROBE) for kind in KINDS]


def device(kind: str, script: str) -> Finding:
    """Of one kind, as `script` finds them when it is started with the kind's name."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, "-c", script, kind]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_S, check=False, env=environment)
    except subprocess.TimeoutExpired:
        return Finding(kind, f"the driver does not answer within {PROBE_S:.0f} s", State.NOTE, "Use --device cpu")
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"ends with signal {-done.returncode}"]
        return Finding(kind, f"the driver fails: {last[0]}", State.NOTE, "Use --device cpu")
    answer = json.loads(done.stdout)
    if "reason" in answer:
        return Finding(kind, f"not used: {answer['reason']}")
    found = [f"{name} (--device {kind}{f':{number}' if number else ''})" for number, name in enumerate(answer["names"])]
    return Finding(kind, ", ".join(found))
