"""Tuning on a board behind TVM's RPC server or tracker: killed in the middle, gone on with, used. Under emulation.

    python -m tests.emulation.check_tune FOLDER [--tracker]

FOLDER: where the emulated machine lies, or is made; it plays the board and runs TVM's own server. Here `main.py tune` searches
a small network's tilings over it, is killed (SIGKILL) while it measures, and is started again: what it had found must still
be there, and it must go on. Then the next `main.py compile` must use the records. --tracker: the same through TVM's tracker,
which runs on this machine and needs `pip install tornado`. Ten minutes to half an hour: the emulated server takes minutes to
start. The measured times mean nothing.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from engine.compiler import records, targets
from tests.emulation.machine import Machine, make

ROOT = Path(__file__).resolve().parents[2]
TARGET, SHAPE, THREADS, KEY = "rpi4", "64x64", 1, "board"
START_S, OPERATOR_S = 1200.0, 1200.0
# What TVM's RPC server needs beside TVM, as TVM's own extra “rpc” names it.
SERVER_PACKAGES = ("cloudpickle", "psutil")
# QEMU's user mode hangs where TVM's server forks from a thread; on a board the option is not needed.
SERVER = ["-m", "tvm.exec.rpc_server", "--no-fork", "--host", "127.0.0.1"]


def main() -> int:
    parser = argparse.ArgumentParser(description="Tune on an emulated board, with an interruption.")
    parser.add_argument("folder", type=Path, help="of the emulated machine")
    parser.add_argument("--tracker", action="store_true", help="through TVM's tracker instead of directly")
    args = parser.parse_args()
    if args.tracker and not importlib.util.find_spec("tornado"):
        sys.exit("TVM's tracker needs Tornado: pip install tornado")
    machine = make(args.folder)
    _install(machine)
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        os.environ["LITEPOSE_CACHE"] = place
        file = Path(place) / "tuning" / records.file_name(TARGET)
        port = _free_port()
        if args.tracker:
            tracker = [sys.executable, "-m", "tvm.exec.rpc_tracker", "--host", "127.0.0.1", *_at(port)]
            stack.enter_context(_running(tracker, Path(place) / "tracker.log"))
            _wait_for(lambda: _listens(port), "TVM's tracker", START_S)
            where = ["--tracker", f"127.0.0.1:{port}", "--key", KEY]
            server = [*SERVER, *_at(_free_port()), "--tracker", f"127.0.0.1:{port}", "--key", KEY]
        else:
            where = ["--rpc", f"127.0.0.1:{port}"]
            server = [*SERVER, *_at(port)]
        log = Path(place) / "server.log"
        board = stack.enter_context(_running([machine.python, *server], log))
        _wait_for(lambda: "INFO bind to" in log.read_text(), "the emulated server", START_S, board, log)
        time.sleep(1)  # it says so a moment before it listens
        command: list[str | Path] = [sys.executable, "-u", ROOT / "main.py", "tune", "--target", TARGET, "--size", "xs"]
        command += ["--input", SHAPE, "--threads", str(THREADS), *where]
        return 0 if _interrupted(command, file) and _used(file) else 1


def _install(machine: Machine) -> None:
    lines = [line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    needed = [line for line in lines if line.startswith(("apache-tvm", "numpy"))]
    if machine.run(["-c", f"import tvm, {', '.join(SERVER_PACKAGES)}"]).returncode:
        machine.install("pip", *needed, *SERVER_PACKAGES)


def _interrupted(command: list[str | Path], file: Path) -> bool:
    """Whether a killed search goes on where it was. Prints what both say."""
    log = file.parent.parent / "first.log"
    with _running(command, log) as search:
        _wait_for(lambda: len(_entries(file)) >= 1, "the first operator", OPERATOR_S, search, log)
        time.sleep(3)  # into the next one
        os.killpg(search.pid, signal.SIGKILL)
        search.wait()
    before = _entries(file)
    print(f"killed after {len(before)} operators:\n{log.read_text()}", flush=True)
    done = subprocess.run([*command, "--minutes", "0.01"], capture_output=True, text=True, check=False)
    print(f"started again:\n{done.stdout}{done.stderr}", flush=True)
    after = _entries(file)
    kept = all(after.get(operator) == entry for operator, entry in before.items())
    good = done.returncode == 0 and kept and len(after) > len(before)
    print(f"{len(before)} operators before, {len(after)} after: {'it went on' if good else 'it did not go on'}.")
    return good


def _used(file: Path) -> bool:
    """Whether the next compile takes the records."""
    exported = file.parent.parent / "exported"
    command: list[str | Path] = [
        sys.executable,
        ROOT / "main.py",
        "compile",
        "--target",
        TARGET,
        "--size",
        "xs",
        "--input",
        SHAPE,
    ]
    command += ["--threads", str(THREADS), "--export", str(exported)]
    subprocess.run(command, check=True)
    tuned = targets.load(TARGET, THREADS, here=False)
    (metadata,) = file.parent.parent.glob(f"xs-{SHAPE}-{TARGET}-*/metadata.json")
    made_for = json.loads(metadata.read_text())["target"]
    changed = sum(entry["best_us"] < entry["default_us"] for entry in _entries(file).values())
    good = set(tuned.tuned) >= set(_entries(file)) and made_for == tuned.identity()
    print(
        f"{'The next compile used' if good else 'The next compile did not use'} the records; {changed} leave the rule."
    )
    return good


def _entries(file: Path) -> records.Entries:
    return records.read(file, TARGET).entries(THREADS)


@contextlib.contextmanager
def _running(command: Sequence[str | Path], log: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """A process with all that it starts, until the end of the block."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for(
    condition: Callable[[], bool],
    what: str,
    most_s: float,
    process: "subprocess.Popen[bytes] | None" = None,
    log: Path | None = None,
) -> None:
    """Ends the program, with the log, where it takes too long or the process ends."""
    started = time.monotonic()
    while not condition():
        ended = process is not None and process.poll() is not None
        if ended or time.monotonic() - started > most_s:
            sys.exit(f"Waited in vain for {what}.\n{log.read_text() if log else ''}")
        time.sleep(1)


def _at(port: int) -> list[str]:
    """Options of TVM's servers: this port and no other."""
    return ["--port", str(port), "--port-end", str(port + 1)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    sys.exit(main())
