"""Does an exported folder find on a board what the program finds here? Under emulation.

    python -m tests.emulation.check_export FOLDER [--target rpi5] [--size xs] [--input square] [--precision int8] [--pictures DIR]

FOLDER: where the emulated machine lies, or is made. Exports for the target, installs the folder's requirements inside,
runs it on ten pictures and compares with this machine: the same input after resizing, maps equal within 1e-3 of their
range, the same people. QEMU plays the target's own core where it knows it, so an instruction that the core has not ends
the check.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.board.exported import Description
from engine.compiler import artifacts, targets
from engine.compiler.runtime import CompiledNetwork
from engine.decode.grouping import GroupingSettings, group
from engine.estimator import PoseEstimator
from engine.preprocess import PADDING, InputShape, Placement, fill_input, place
from engine.sources import SourceSettings, open_source
from engine.sources.picture_file import is_picture, read_picture
from models import checkpoints
from models.checkpoints import Checkpoint
from tests.emulation.machine import Machine, make

Array = NDArray[Any]

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
    parser.add_argument("--precision", choices=targets.PRECISIONS, default="fp32", help="of both networks")
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
            "--precision",
            args.precision,
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
            arrays = {key: found[key] for key in found.files}
        return compare(arrays, pictures, args.size, Description.read(folder), args.precision)


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


def compare(
    found: dict[str, Array], pictures: list[Path], size: str, description: Description, precision: str = "fp32"
) -> int:
    """Prints a line for each picture. precision: of the network here. -> 0 where all agree, else 1."""
    checkpoint = checkpoints.load(size)
    settings = GroupingSettings.from_metadata(checkpoint.metadata, checkpoint.skeleton)
    networks: dict[InputShape, CompiledNetwork] = {}
    estimators: dict[InputShape, PoseEstimator] = {}
    good = True
    print("coarse, fine, joints: differences where this machine's network gets the board's input.")
    print("input: grey levels by which the input differs. whole: of the joints, from the picture on.")
    print(f"{'picture':<24}{'people':>8}{'coarse':>10}{'fine':>10}{'joints':>12}{'input':>8}{'whole':>12}")
    for number, path in enumerate(pictures):
        image = read_picture(path)
        shape = description.nearest(image.shape[1], image.shape[0])
        there = {key.partition(".")[2]: value for key, value in found.items() if key.startswith(f"{number}.")}
        if shape not in networks:
            networks[shape] = _open(checkpoint, shape, precision)
            estimators[shape] = PoseEstimator.load(size, input_mode=str(shape), precision=precision)
        network = networks[shape]
        network.picture[:] = there["input"]
        maps = network.maps()
        placement = place(image.shape[1], image.shape[0], shape)
        poses = placement.to_source(group(network.candidates(maps), checkpoint.skeleton, settings))
        errors = [relative_error(here, there[name]) for here, name in zip(maps, ("coarse", "fine"))]
        moved = distance(poses.keypoints, there["keypoints"])
        levels = int(np.abs(network_input(image, placement, shape).astype(np.int16) - there["input"]).max())
        whole = distance(estimators[shape](image).keypoints, there["keypoints"])
        fits = levels == 0 and max(errors) <= MAP_ERROR and max(moved, whole) <= PIXELS
        print(
            f"{path.name[:22]:<24}{len(poses):>3} / {len(there['keypoints']):<2}{errors[0]:>10.1e}{errors[1]:>10.1e}"
            f"{moved:>9.4f} px{levels:>8}{whole:>9.2f} px{'' if fits else '   differs'}"
        )
        good = good and fits
    print("The same people." if good else "Not the same.")
    return 0 if good else 1


def _open(checkpoint: Checkpoint, shape: InputShape, precision: str) -> CompiledNetwork:
    target = targets.load(precision=precision)
    return CompiledNetwork(artifacts.obtain(checkpoint, shape.height, shape.width, target), target.threads)


def relative_error(here: object, there: Array) -> float:
    """The largest difference, of the range."""
    expected = np.asarray(np.from_dlpack(here), np.float32)
    return float(np.abs(expected - there).max() / np.ptp(expected))


def distance(here: Array, there: Array) -> float:
    """Of the joint that is furthest off, in pixels; infinite where there are other people or joints."""
    if here.shape != there.shape or (np.isnan(here) != np.isnan(there)).any():
        return float("inf")
    return float(np.nanmax(np.abs(here - there), initial=0.0))


def network_input(image: NDArray[np.uint8], placement: Placement, shape: InputShape) -> NDArray[np.uint8]:
    picture = np.full((shape.height, shape.width, 3), PADDING, np.uint8)
    fill_input(image, placement, picture)
    return picture


if __name__ == "__main__":
    sys.exit(main())
