"""`python run.py` of an exported folder: people in pictures, folders, a video or a camera."""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.board.exported import ExportedEstimator
from engine.commands.plain_window import PlainWindow, expect_screen
from engine.drawing import DrawingSettings, draw
from engine.errors import SinkError, SourceError, UsageError
from engine.keypoint_files import FrameRecord
from engine.smoothing import Smoother
from engine.sources.picture_file import is_picture, read_picture
from engine.tracking import Tracker
from engine.types import Frame, Poses
from models.errors import LitePoseError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", nargs="+", help="pictures, folders of pictures, a video, or a camera's number")
    parser.add_argument("--threads", type=int, metavar="N", help="worker threads (default: this board's cores)")
    parser.add_argument("--threshold", type=float, metavar="T", help="lowest joint score, 0 to 1")
    parser.add_argument("--save-images", type=Path, metavar="DIR", help="annotated pictures; of a video, every frame")
    parser.add_argument("--save-keypoints", type=Path, metavar="FILE", help="keypoints as .jsonl, one line a frame")
    parser.add_argument("--frames", type=int, metavar="N", help="stop after so many frames")
    parser.add_argument(
        "--repeat", type=int, default=1, metavar="N", help="find everybody N times, to measure the time"
    )
    parser.add_argument("--show", action="store_true", help="show the picture in a window")


def main(folder: Path, arguments: list[str] | None = None) -> int:
    """Returns 0 when done, 1 when it failed with a message, 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="run.py", description="Find people with compiled networks.")
    add_arguments(parser)
    args = parser.parse_args(arguments)
    try:
        return _run(folder, args)
    except LitePoseError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


def _run(folder: Path, args: argparse.Namespace) -> int:
    if args.threads is not None and not 1 <= args.threads <= 256:
        raise UsageError(f"--threads must be from 1 to 256, not {args.threads}.")
    if args.repeat < 1 or (args.frames is not None and args.frames < 1):
        raise UsageError("--repeat and --frames must be at least 1.")
    if args.show:
        expect_screen("Leave --show out.")
    estimator = ExportedEstimator(folder, args.threads)
    if args.threshold is not None:
        if not 0 <= args.threshold <= 1:
            raise UsageError(f"--threshold must be from 0 to 1, not {args.threshold}.")
        estimator.settings = replace(estimator.settings, joint_threshold=args.threshold)
    moving, frames = open_frames(args.source)
    tracker, smoother = (Tracker(), Smoother()) if moving else (None, None)
    times: dict[str, list[float]] = {}
    count = people = 0
    started = time.monotonic()
    try:
        with ExitStack() as stack:
            keypoints = stack.enter_context(_create(args.save_keypoints)) if args.save_keypoints else None
            if args.save_images:
                args.save_images.mkdir(parents=True, exist_ok=True)
            window = PlainWindow() if args.show else None
            for frame in frames:
                for _ in range(args.repeat):
                    poses, stages = estimator(frame.image)
                    for name, ms in stages.ms.items():
                        times.setdefault(name, []).append(ms)
                if tracker and smoother:
                    poses = smoother.update(tracker.update(poses, frame.media_s), frame.media_s)
                count, people = count + 1, people + len(poses)
                if keypoints:
                    keypoints.write(FrameRecord.of(frame, poses).line() + "\n")
                if args.save_images or window:
                    scene = _annotated(frame, poses, moving)
                    if args.save_images:
                        _save(args.save_images, frame, scene, moving)
                    if window:
                        window.show(scene)
                        if window.closed():
                            break
                if not (args.save_images or keypoints or window):
                    print(f"{frame.source}: {len(poses)} people")
                if count == args.frames:
                    break
    except OSError as error:
        raise SinkError(f"A result cannot be written: {error}.") from error
    finally:
        if count:
            _report(estimator, count, people, times, time.monotonic() - started)
    return 0


def open_frames(sources: list[str]) -> tuple[bool, Iterator[Frame]]:
    """-> whether the frames follow each other in time, and the frames. Raises SourceError for what is not there."""
    if len(sources) == 1 and (
        sources[0].isdecimal() or (Path(sources[0]).is_file() and not is_picture(Path(sources[0])))
    ):
        return True, _video(sources[0])
    paths: list[Path] = []
    for text in sources:
        path = Path(text)
        if path.is_dir():
            paths += sorted(inside for inside in path.iterdir() if is_picture(inside))
        elif path.is_file() and is_picture(path):
            paths.append(path)
        else:
            raise SourceError(f"“{text}” is no picture and no folder. One video or camera number can be given alone.")
    if not paths:
        raise SourceError(f"There are no pictures in {', '.join(f'“{text}”' for text in sources)}.")
    return False, _pictures(paths)


def _pictures(paths: list[Path]) -> Iterator[Frame]:
    for index, path in enumerate(paths):
        yield Frame(read_picture(path), index, time.monotonic_ns(), float(index), path.name)


def _video(text: str) -> Iterator[Frame]:
    camera = text.isdecimal()
    capture = cv2.VideoCapture(int(text)) if camera else cv2.VideoCapture(text)
    if not capture.isOpened():
        kind = "camera" if camera else "video"
        raise SourceError(f"The {kind} “{text}” cannot be opened by OpenCV. Check that it is there and not in use.")
    name = f"camera {text}" if camera else Path(text).name
    rate = capture.get(cv2.CAP_PROP_FPS) or 30.0
    started = time.monotonic_ns()
    try:
        index = 0
        while True:
            good, image = capture.read()
            if not good:
                return
            now = time.monotonic_ns()
            yield Frame(
                np.asarray(image, np.uint8), index, now, (now - started) / 1e9 if camera else index / rate, name
            )
            index += 1
    finally:
        capture.release()


def _create(path: Path) -> TextIO:
    if path.suffix != ".jsonl":
        raise UsageError(f"Keypoints are written as .jsonl; “{path}” is named otherwise.")
    return path.open("w", encoding="utf-8")


def _annotated(frame: Frame, poses: Poses, moving: bool) -> NDArray[np.uint8]:
    scene = frame.image.copy()
    draw(scene, poses, DrawingSettings(ids=moving))
    return scene


def _save(folder: Path, frame: Frame, scene: NDArray[np.uint8], moving: bool) -> None:
    name = f"{frame.index:06d}.jpg" if moving else f"{Path(frame.source).stem}.jpg"
    good, data = cv2.imencode(".jpg", scene)
    if not good:
        raise SinkError(f"The picture of “{frame.source}” cannot be written as JPEG.")
    (folder / name).write_bytes(data.tobytes())


def _report(
    estimator: ExportedEstimator, count: int, people: int, times: dict[str, list[float]], seconds: float
) -> None:
    description = estimator.description
    print(
        f"{description.size} for {description.target}, {estimator.threads} threads: {count} frames, {people} people, "
        f"{seconds:.1f} s"
    )
    for name, values in times.items():
        print(f"  {name:<10}{np.median(values):>9.2f} ms median{np.percentile(values, 95):>9.2f} ms p95")
