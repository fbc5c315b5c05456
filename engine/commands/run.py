"""`main.py run`: people in pictures, folders and videos, to annotated pictures, videos and keypoint files."""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from engine.commands.device_option import add_device_argument, add_precision_argument
from engine.drawing import DrawingSettings, draw
from engine.errors import SinkError, UsageError
from engine.estimator import ENGINES, PoseEstimator
from engine.sinks import PictureWriter, Sink, VideoRecorder, open_keypoint_writer, timestamped_path
from engine.smoothing import Smoother
from engine.sources import Source, SourceSettings, find_sources
from engine.sources.pictures import PictureSource
from engine.sources.video_file import VideoFileSource
from engine.tracking import Tracker
from engine.types import Frame, Poses

DEFAULT_FOLDER = Path("poses")  # where annotated results go if no option names a place


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", nargs="+", help="pictures, folders, patterns, videos, or “demo”")
    parser.add_argument("--size", default="xs", help="xs, s, m, l, or a weights file (default: xs)")
    parser.add_argument("--save-video", type=Path, metavar="FILE", help="annotated video (.mp4, .mkv)")
    parser.add_argument("--save-images", type=Path, metavar="DIR", help="annotated pictures, under their own names")
    parser.add_argument(
        "--save-keypoints",
        type=Path,
        metavar="FILE",
        help="keypoints as .jsonl, .json (COCO results), .csv or .dlc.csv",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace result files that exist")
    parser.add_argument("--threads", type=int, metavar="N", help="worker threads (default: this machine's cores)")
    add_device_argument(parser)
    add_precision_argument(parser)
    parser.add_argument("--input", default="auto", metavar="SHAPE", help="auto, square or WxH (default: auto)")
    parser.add_argument(
        "--threshold", type=float, metavar="T", help="lowest joint score, 0 to 1 (default: the weights' own)"
    )
    parser.add_argument("--no-tracking", action="store_true", help="videos: no ids, no smoothing")
    parser.add_argument("--no-smoothing", action="store_true", help="videos: joints as they were found")
    parser.add_argument("--engine", default="tvm", choices=ENGINES, help="torch is the slow reference (default: tvm)")


@dataclass(slots=True)
class Tally:
    """What the closing summary tells."""

    frames: int = 0
    people: int = 0
    stages: dict[str, list[float]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def add(self, poses: Poses, ms: dict[str, float]) -> None:
        self.frames += 1
        self.people += len(poses)
        for name, value in ms.items():
            self.stages.setdefault(name, []).append(value)

    def lines(self) -> list[str]:
        seconds = time.monotonic() - self.started
        rate = self.frames / seconds if seconds else 0.0
        lines = [f"{self.frames} frames, {self.people} people, {seconds:.1f} s ({rate:.1f} frames/s)"]
        for name, values in self.stages.items():
            lines.append(f"  {name:<10}{np.median(values):>8.2f} ms median{np.percentile(values, 95):>8.2f} ms p95")
        return lines + [f"left out: {line}" for line in self.skipped]


def main(args: argparse.Namespace) -> int:
    if args.threads is not None and not 1 <= args.threads <= 256:
        raise UsageError(f"--threads must be from 1 to 256, not {args.threads}.")
    sources = find_sources(args.source, SourceSettings(loop=False))
    if args.save_video and len(sources) > 1:
        raise UsageError(f"--save-video takes one video at a time, and {len(sources)} sources were given.")
    estimator = PoseEstimator.load(
        args.size,
        engine=args.engine,
        input_mode=args.input,
        threads=args.threads,
        device=args.device,
        precision=args.precision,
        progress=_say,
    )
    if args.threshold is not None:
        if not 0 <= args.threshold <= 1:
            raise UsageError(f"--threshold must be from 0 to 1, not {args.threshold}.")
        estimator.settings = replace(estimator.settings, joint_threshold=args.threshold)

    tally, places = Tally(), []
    try:
        with ExitStack() as stack:
            shared: list[Sink] = []
            if args.save_keypoints:
                writer = open_keypoint_writer(args.save_keypoints, estimator.skeleton, overwrite=args.overwrite)
                shared.append(stack.enter_context(writer))
                places.append(args.save_keypoints)
            if args.save_images:
                shared.append(stack.enter_context(PictureWriter(args.save_images, overwrite=args.overwrite)))
                places.append(args.save_images)
            for source in sources:
                with source, _own_sinks(source, args) as (own, place):
                    places += [place] if place else []
                    _run(source, estimator, [*shared, *own], args, tally)
    finally:
        # Also after an error: what was done before it stays, and the user is told.
        if tally.frames:
            print("\n".join(tally.lines()))
            saved = [str(place) for place in places if place.exists()]
            if saved:
                print("saved: " + ", ".join(saved))
    return 0


@contextmanager
def _own_sinks(source: Source, args: argparse.Namespace) -> Iterator[tuple[list[Sink], Path | None]]:
    """The sinks of one source: the video asked for, or, where no result was asked for at all, an annotated one."""
    nothing_asked = not (args.save_video or args.save_images or args.save_keypoints)
    path: Path | None = args.save_video
    if path is None and not nothing_asked:
        yield [], None
        return
    try:
        if path is None:
            DEFAULT_FOLDER.mkdir(exist_ok=True)
    except OSError as error:
        raise SinkError(f"Cannot make the folder “{DEFAULT_FOLDER}” for the results: {error.strerror}.") from error
    if path is None and isinstance(source, PictureSource):
        with PictureWriter(DEFAULT_FOLDER) as pictures:
            yield [pictures], DEFAULT_FOLDER
        return
    if path and isinstance(source, VideoFileSource) and path.exists() and path.samefile(source.path):
        raise UsageError(f"--save-video would write over “{path}”, the video that is read. Choose another name.")
    path = path or timestamped_path(DEFAULT_FOLDER, Path(source.name).stem, ".mp4")
    sound = source.path if isinstance(source, VideoFileSource) and source.has_audio else None
    with VideoRecorder(path, fps_hint=source.fps, live=False, overwrite=args.overwrite, sound_from=sound) as recorder:
        yield [recorder], path


def _run(source: Source, estimator: PoseEstimator, sinks: list[Sink], args: argparse.Namespace, tally: Tally) -> None:
    moving = not isinstance(source, PictureSource) and not args.no_tracking
    tracker = Tracker() if moving else None
    smoother = Smoother() if moving and not args.no_smoothing else None
    drawn = any(sink.wants_picture for sink in sinks)
    settings = DrawingSettings(ids=moving)
    count = source.frame_count
    with tqdm(total=count, desc=source.name, unit="frame", disable=not sys.stderr.isatty()) as bar:
        for frame in source:
            estimate = estimator.estimate(frame.image)
            start = time.perf_counter()
            poses, ms = estimate.poses, dict(estimate.times.ms)
            if tracker:
                poses = tracker.update(poses, frame.media_s)
            if smoother:
                poses = smoother.update(poses, frame.media_s)
            if tracker:
                ms["tracking"] = (time.perf_counter() - start) * 1e3
            start = time.perf_counter()
            annotated = _annotate(frame, poses, settings) if drawn else None
            if drawn:
                ms["drawing"] = (time.perf_counter() - start) * 1e3
            for sink in sinks:
                sink.write(frame, poses, annotated)
            tally.add(poses, ms)
            bar.update()
    if isinstance(source, PictureSource):
        tally.skipped += [f"{skipped.path}: {skipped.reason}" for skipped in source.skipped]


def _annotate(frame: Frame, poses: Poses, settings: DrawingSettings) -> np.ndarray:
    scene = frame.image.copy()
    draw(scene, poses, settings)
    return scene


def _say(text: str) -> None:
    print(f"{text} …", file=sys.stderr)
