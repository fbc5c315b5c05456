"""A whole file, every frame of it, to a video and its keypoints. No Qt."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.preferences import Preferences
from app.session_options import live_options
from engine.drawing import Trails
from engine.errors import SourceError
from engine.estimator import PoseEstimator
from engine.live import LiveOptions, LiveResult
from engine.live.composition import Picture, picture_of
from engine.live.loader import Estimator, build_in_process
from engine.live.network_change import NetworkChange
from engine.sinks import Sink, VideoRecorder, open_keypoint_writer
from engine.smoothing import Smoother
from engine.sources import Source, SourceSettings, find_source
from engine.sources.video_file import VideoFileSource
from engine.tracking import Tracker
from engine.types import Frame, StageTimes
from models.skeleton import Skeleton

LOOK_S = 0.05  # how often an export that waits for its network looks whether it is still wanted
KEYPOINTS = ".jsonl"
RAW = "-raw"


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """text: what the source is called. video: the file to make. kept: size, overlays and what is recorded."""

    text: str
    video: Path
    kept: Preferences

    @property
    def raw_video(self) -> Path:
        return self.video.with_name(f"{self.video.stem}{RAW}{self.video.suffix}")

    def paths(self) -> list[Path]:
        """The files that it makes, the video to show first."""
        both = self.kept.recording.picture == "both"
        keypoints = [self.video.with_suffix(KEYPOINTS)] if self.kept.recording.keypoints else []
        return [self.video, *([self.raw_video] if both else []), *keypoints]


def export(
    order: ExportOrder,
    progress: Callable[[int, int | None], None],
    say: Callable[[str], None],
    stopped: threading.Event,
) -> bool:
    """-> False where it was stopped; nothing is left of it then. progress: frames done, and of how many, if known.

    To be called in a thread that is kept (engine.live.kept_threads): it runs the network. Raises LitePoseError.
    """
    options = live_options(order.kept)
    network = _Network(options, say, stopped)
    tracker, smoother, trails = Tracker(), Smoother(), Trails()
    sinks: list[tuple[Sink, Picture]] = []
    done = 0
    try:
        with find_source(order.text, SourceSettings(loop=False)) as source, ExitStack() as stack:
            for frame in source:
                estimator = network.ready_for(frame)
                if estimator is None or stopped.is_set():
                    break
                if not sinks:
                    opened = _sinks(order, source, estimator.skeleton)
                    sinks = [(stack.enter_context(sink), picture) for sink, picture in opened]
                estimate = estimator.estimate(frame.image)
                poses = tracker.update(estimate.poses, frame.media_s)
                if options.smoothing:
                    poses = smoother.update(poses, frame.media_s)
                result = LiveResult(done, frame, poses, estimate, frame.media_s, StageTimes(), 0.0)
                for sink, picture in sinks:
                    sink.write(frame, poses, picture_of(result, options.drawing, picture, trails))
                done += 1
                progress(done, source.frame_count)
    except BaseException:
        _remove(order)
        raise
    if stopped.is_set():
        _remove(order)
    elif not done:
        raise SourceError(f"“{order.text}” has no frames to export.")
    return not stopped.is_set()


class _Network:
    """The network for the frames of one export. A missing one is built in a process of its own, as live."""

    def __init__(self, options: LiveOptions, say: Callable[[str], None], stopped: threading.Event) -> None:
        self._options, self._say, self._stopped = options, say, stopped
        self._estimator: Estimator | None = None
        self._ready: set[tuple[int, int]] = set()

    def ready_for(self, frame: Frame) -> Estimator | None:
        """None where the export was stopped meanwhile."""
        size = (frame.width, frame.height)
        if size in self._ready:
            return self._estimator
        options, first = self._options, self._estimator is None
        change = NetworkChange(
            options.size,
            input_mode=options.input_mode,
            threads=options.threads,
            factory=partial(PoseEstimator.load, device=options.device, precision=options.precision),
            build=partial(build_in_process, device=options.device, precision=options.precision),
            progress=self._say,
            estimator=self._estimator,
        )
        try:
            while (estimator := change.advance(size)) is None:
                if self._stopped.wait(LOOK_S):
                    return None
        finally:
            change.cancel()
            for job in change.jobs():
                job.join()
        if first:
            estimator.settings = options.grouping(estimator.settings)
        self._estimator = estimator
        self._ready.add(size)
        return estimator


def _sinks(order: ExportOrder, source: Source, skeleton: Skeleton) -> list[tuple[Sink, Picture]]:
    sound = source.path if isinstance(source, VideoFileSource) and source.has_audio else None

    def video(path: Path) -> VideoRecorder:
        return VideoRecorder(path, fps_hint=source.fps, overwrite=True, sound_from=sound)

    kept = order.kept.recording
    first = Picture.RAW if kept.picture == "raw" else Picture.ANNOTATED
    sinks: list[tuple[Sink, Picture]] = [(video(order.video), first)]
    if kept.picture == "both":
        sinks.append((video(order.raw_video), Picture.RAW))
    if kept.keypoints:
        path = order.video.with_suffix(KEYPOINTS)
        sinks.append((open_keypoint_writer(path, skeleton, overwrite=True), Picture.NONE))
    return sinks


def _remove(order: ExportOrder) -> None:
    for path in order.paths():
        path.unlink(missing_ok=True)


def suggested_path(folder: Path, text: str) -> Path:
    """Beside the recordings, with the source's name."""
    stem = Path(text).stem or "export"
    return folder / f"{stem} LitePose.mp4"
