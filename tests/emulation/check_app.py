"""The whole program on 64-bit ARM: installed, run on pictures, and its window opened without a screen. Under emulation.

    python -m tests.emulation.check_app FOLDER [--picture FILE]

FOLDER: where the emulated machine lies, or is made. Takes most of an hour: pip, the compiler and Qt run emulated. PyTorch,
which only training and importing need, is left out: its ARM wheel from PyPI brings CUDA, gigabytes of it.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from engine.estimator import PoseEstimator
from engine.keypoint_files import read_keypoints
from engine.sources.picture_file import read_picture
from tests.emulation.check_export import distance, write_views
from tests.emulation.machine import Machine, make

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = "torch"
SHAPE = "352x192"  # the network's input for 16:9, which the demo is
PIXELS = 0.02  # as keypoint files round them
WINDOW_S = 1200
# Opens the window on the demo and closes it some time after people are found; says how many, and saves what the window shows.
WINDOW = """
import sys
from app import launch
from PyQt6.QtCore import QTimer
import main

picture, patience_s = sys.argv[1], int(sys.argv[2])
original = launch.close_on_signals

def watch(window):
    timer = QTimer(window)
    waited = [0]

    def look():
        waited[0] += 1
        result = window.worker.latest()
        if result is not None and len(result.poses):
            print(f"{len(result.poses)} people in the window, result {result.index}", flush=True)
            QTimer.singleShot(20000, lambda: (window.grab().save(picture), window.close()))
            timer.stop()
        elif waited[0] > patience_s:
            window.close()

    timer.timeout.connect(look)
    timer.start(1000)
    return original(window)

launch.close_on_signals = watch
sys.exit(main.main(["--source", "demo"]))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Install and run the program on an emulated 64-bit ARM machine.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--picture", type=Path, default=Path("window.png"), help="what the window shows goes here")
    args = parser.parse_args()
    machine = make(args.folder, app=True)
    with tempfile.TemporaryDirectory() as place:
        home = {"HOME": place, "LITEPOSE_CACHE": str(machine.folder / "cache")}
        step("pip install .", lambda: install(machine, Path(place)))
        program = machine.bin / "litepose-live"
        print(
            machine.expect(
                ["-c", "import engine.version as v; print(v.VERSION, v.__file__)"], folder=Path(place)
            ).strip()
        )
        step(
            "compiling", lambda: machine.expect([program, "compile", "--input", SHAPE], environment=home, capture=False)
        )
        # Lossless: FFmpeg decodes videos to other pixels on other processors.
        pictures, keypoints = write_views(Path(place))[::3], Path(place) / "people.jsonl"
        command = [program, "run", *pictures, "--input", SHAPE, "--save-keypoints", keypoints]
        step("main.py run", lambda: machine.expect(command, environment=home, capture=False))
        good = same_people(pictures, keypoints)
        print("The same people." if good else "Not the same people.")
        screen = home | {"QT_QPA_PLATFORM": "offscreen"}
        arguments = ["-c", WINDOW, str(args.picture.resolve()), str(WINDOW_S)]
        window = machine.run(arguments, environment=screen, folder=Path(place))
        shown = window.stdout.strip()
        print(shown or "Nobody was found in the window.")
        if window.returncode or window.stderr:
            # The window gives its threads seconds to end, of which an emulated network takes many.
            print(f"The window's end: exit code {window.returncode}\n{window.stderr.strip()}")
    return 0 if good and shown and args.picture.is_file() else 1


def step(name: str, work: Callable[[], object]) -> None:
    started = time.monotonic()
    work()
    print(f"{name}: {time.monotonic() - started:.0f} s emulated", flush=True)


def install(machine: Machine, place: Path) -> None:
    """What Git has of this tree, so that nothing lies about that a clone would not have."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    needed = [line.partition("#")[0].strip() for line in lines]
    machine.install("pip", *(line for line in needed if line and not line.startswith(LEFT_OUT)))
    clone = place / "clone"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{ROOT}", clone], check=True)
    machine.install("--no-deps", "--force-reinstall", str(clone))


def same_people(pictures: list[Path], keypoints: Path) -> bool:
    """Found here and there. Prints a line for each picture."""
    estimator = PoseEstimator.load("xs", input_mode=SHAPE)
    good = True
    for path, record in zip(pictures, read_keypoints(keypoints), strict=True):
        here, there = estimator(read_picture(path)), record.poses(estimator.skeleton)
        moved = distance(here.keypoints, there.keypoints)
        print(f"{path.name}: {len(here)} / {len(there)} people, joints within {moved:.2f} px")
        good = good and moved <= PIXELS
    return good


if __name__ == "__main__":
    sys.exit(main())
