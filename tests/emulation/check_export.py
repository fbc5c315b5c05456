"""Does an exported folder find on a board what the program finds here? Under emulation.

    python -m tests.emulation.check_export FOLDER [--target rpi5] [--size xs] [--input square] [--pictures DIR]

FOLDER: where the emulated machine lies, or is made. Exports for the target, installs the folder's requirements inside,
runs it on ten pictures and compares with this machine: the same people, maps equal within 1e-3 of their range. QEMU plays
the target's own core where it knows it, so an instruction that the core has not ends the check.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.board.exported import Description
from engine.estimator import Estimate, PoseEstimator
from engine.preprocess import PADDING, fill_input, place
from engine.sources import SourceSettings, open_source
from engine.sources.picture_file import is_picture, read_picture
from tests.emulation.machine import Machine, make

CPUS = {"rpi4": "cortex-a72", "rpi5": "cortex-a76", "jetson-nano": "cortex-a57"}
MAP_ERROR = 1e-3  # of the map's range
PIXELS = 0.05  # how far a joint may be off, in pixels of the picture
ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare an exported folder under emulation with this machine.")
    parser.add_argument("folder", type=Path, help="of the emulated machine")
    parser.add_argument("--target", default="rpi5")
    parser.add_argument("--size", default="xs")
    parser.add_argument("--input", default="square")
    parser.add_argument(
        "--pictures", type=Path, help="a folder of pictures (default: views of one photograph, and the demo)"
    )
    parser.add_argument("--export", type=Path, help="keep the exported folder here")
    args = parser.parse_args()
    machine = make(args.folder)
    with tempfile.TemporaryDirectory() as place:
        folder = args.export or Path(place) / "exported"
        command = [
            "compile",
            "--target",
            args.target,
            "--size",
            args.size,
            "--input",
            args.input,
            "--export",
            str(folder),
        ]
        subprocess.run([sys.executable, ROOT / "main.py", *command, "--overwrite"], check=True)
        _install(machine, folder)
        pictures = sorted(filter(is_picture, args.pictures.iterdir())) if args.pictures else write_views(Path(place))
        results = Path(place) / "results.npz"
        script = Path(__file__).with_name("on_board.py")
        cpu = CPUS.get(args.target, "max")
        machine.expect([script, folder, results, *pictures], cpu=cpu, capture=False)
        with np.load(results) as found:
            return compare(dict(found), pictures, args.size, Description.read(folder))


def _install(machine: Machine, folder: Path) -> None:
    """What the folder asks for; OpenCV without a screen, so that no libraries of Debian are needed."""
    needed = (folder / "requirements.txt").read_text().replace("opencv-python==", "opencv-python-headless==").split()
    listed = machine.run(["-m", "pip", "list", "--format=freeze"]).stdout.replace("_", "-").split()
    missing = [
        package for package in needed if package not in listed and package.replace("-headless", "") not in listed
    ]
    if missing:
        machine.install("pip", *missing)


def write_views(folder: Path) -> list[Path]:
    """Ten pictures: a public-domain photograph, cropped, mirrored, darkened, stretched; and frames of the demo."""
    from skimage import data

    photograph = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
    h, w = photograph.shape[:2]
    views = [
        photograph,
        photograph[:, ::-1],
        photograph[: h * 9 // 16],
        photograph[:, w // 8 : w * 7 // 8],
        cv2.resize(photograph, (640, 480)),
        cv2.convertScaleAbs(photograph, alpha=0.6),
        np.hstack([photograph, photograph[:, ::-1]]),
    ]
    with open_source("demo", SourceSettings(loop=False)) as source:
        views += [frame.image for frame in source if frame.index in (0, 60, 120)]
    paths = []
    for number, view in enumerate(views):
        paths.append(folder / f"{number}.png")
        good, encoded = cv2.imencode(".png", np.ascontiguousarray(view))
        assert good
        paths[-1].write_bytes(encoded.tobytes())
    return paths


def compare(found: dict[str, NDArray[np.generic]], pictures: list[Path], size: str, description: Description) -> int:
    estimators: dict[str, PoseEstimator] = {}
    good = True
    print(f"{'picture':<24}{'people':>8}{'input':>8}{'coarse':>10}{'fine':>10}{'joints':>12}")
    for number, path in enumerate(pictures):
        image = read_picture(path)
        shape = str(description.nearest(image.shape[1], image.shape[0]))
        estimator = estimators.setdefault(shape, PoseEstimator.load(size, input_mode=shape))
        here = estimator.estimate(image)
        there = {key.partition(".")[2]: value for key, value in found.items() if key.startswith(f"{number}.")}
        line, fits = _compared(here, there, image, estimator)
        print(f"{path.name[:22]:<24}{line}{'' if fits else '   differs'}")
        good = good and fits
    print("The same people." if good else "Not the same.")
    return 0 if good else 1


def _compared(
    here: Estimate, there: dict[str, NDArray[np.generic]], image: NDArray[np.uint8], estimator: PoseEstimator
) -> tuple[str, bool]:
    errors = []
    for ours, name in zip(here.maps, ("coarse", "fine")):
        expected = np.from_dlpack(ours)
        errors.append(float(np.abs(expected - there[name]).max() / np.ptp(expected)))
    people = (len(here.poses), len(there["keypoints"]))
    fits = people[0] == people[1] and max(errors) <= MAP_ERROR
    joints = float("nan")
    if people[0] == people[1]:
        ours, theirs = here.poses.keypoints, there["keypoints"].astype(np.float32)
        fits = fits and bool((np.isnan(ours) == np.isnan(theirs)).all())
        joints = float(np.nanmax(np.abs(ours - theirs), initial=0.0))
        fits = fits and joints <= PIXELS
    # Resizing may round a pixel otherwise; that is OpenCV's, and part of what the maps differ by.
    levels = int(np.abs(network_input(image, estimator).astype(np.int16) - there["input"].astype(np.int16)).max())
    text = f"{people[0]:>3} / {people[1]:<2}{levels:>8}{errors[0]:>10.1e}{errors[1]:>10.1e}{joints:>9.4f} px"
    return text, fits


def network_input(image: NDArray[np.uint8], estimator: PoseEstimator) -> NDArray[np.uint8]:
    shape = estimator.shape_for(image.shape[1], image.shape[0])
    picture = np.full((shape.height, shape.width, 3), PADDING, np.uint8)
    fill_input(image, place(image.shape[1], image.shape[0], shape), picture)
    return picture


if __name__ == "__main__":
    sys.exit(main())
