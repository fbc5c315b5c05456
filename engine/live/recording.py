"""One recording: a video, annotated, raw or both, and the keypoints beside it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.errors import SinkError, UsageError
from engine.live.composition import Picture
from engine.live.outlet import Output
from engine.live.reader import SourceInfo
from engine.sinks import Sink, VideoRecorder, open_keypoint_writer, timestamped_path
from engine.types import Frame, Poses
from models.skeleton import Skeleton

VIDEO_SUFFIX, KEYPOINT_SUFFIX = ".mp4", ".jsonl"
RAW_ENDING = "-raw"
"""Of the raw video's name where an annotated one is made as well."""


@dataclass(frozen=True, slots=True)
class RecordingOptions:
    """What a recording writes. An existing file is never written over.

    path:      the video; a folder gets a name with date and time in it. None: keypoints only.
    picture:   "annotated" with the overlays that are on, "raw", or "both": the raw one gets `-raw` at the end of its name.
    keypoints: True: a .jsonl file with the video's name; a path: that file, its ending names the format; False: none.
    sound:     a file's sound is carried over.
    """

    path: Path | None = None
    picture: Literal["annotated", "raw", "both"] = "annotated"
    keypoints: bool | Path = True
    sound: bool = True

    def __post_init__(self) -> None:
        if self.picture not in ("annotated", "raw", "both"):
            raise UsageError(f"A recording can be annotated, raw or both, not “{self.picture}”.")
        if self.path is None and not isinstance(self.keypoints, Path):
            raise UsageError("A recording needs the name of a video or of a keypoint file.")


class FromZero(Sink):
    """Hands frames on with times that count from the first one, as those of the video beside it do."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._start_s: float | None = None

    def write(self, frame: Frame, poses: Poses, annotated: NDArray[np.uint8] | None) -> None:
        if self._start_s is None:
            self._start_s = frame.media_s
        self._sink.write(replace(frame, media_s=frame.media_s - self._start_s), poses, annotated)

    def close(self) -> None:
        self._sink.close()


class Recording:
    """Open files and their names. Raises SinkError and leaves no file where one of them cannot be opened.

    info: of the source that is recorded. live: frames are dropped and counted where the encoder cannot keep up; False
    waits for it.
    """

    def __init__(self, options: RecordingOptions, info: SourceInfo, skeleton: Skeleton, *, live: bool) -> None:
        self.outputs: list[Output] = []
        self.paths: tuple[Path, ...] = ()
        self._recorders: list[VideoRecorder] = []
        self._info, self._live = info, live
        try:
            self._open(options, skeleton)
        except Exception:
            self.discard()
            raise

    @property
    def recorded(self) -> int:
        """Frames in the video so far; in the first one, where there are two."""
        return self._recorders[0].frames_written if self._recorders else 0

    @property
    def dropped(self) -> int:
        return sum(recorder.dropped for recorder in self._recorders)

    def counts(self, output: Output) -> bool:
        """True for the output whose frames are the recording's frames per second."""
        return bool(self._recorders) and output.sink is self._recorders[0]

    def close(self) -> list[SinkError]:
        """Finishes all files. -> what went wrong."""
        errors = []
        for output in self.outputs:
            try:
                output.sink.close()
            except SinkError as error:
                errors.append(error)
        return errors

    def discard(self) -> None:
        """Closes the files of a recording that did not begin, and removes them."""
        self.close()
        for path in self.paths:
            path.unlink(missing_ok=True)

    def _open(self, options: RecordingOptions, skeleton: Skeleton) -> None:
        path = options.path
        if path is not None and path.is_dir():
            path = timestamped_path(path, self._info.name, VIDEO_SUFFIX)
        if path is not None:
            first = Picture.RAW if options.picture == "raw" else Picture.ANNOTATED
            self._add_video(path, first, options.sound)
            if options.picture == "both":
                self._add_video(path.with_name(f"{path.stem}{RAW_ENDING}{path.suffix}"), Picture.RAW, options.sound)
        keypoints = options.keypoints
        if keypoints is True and path is not None:
            keypoints = path.with_suffix(KEYPOINT_SUFFIX)
        if isinstance(keypoints, Path):
            self.outputs.append(Output(FromZero(open_keypoint_writer(keypoints, skeleton)), Picture.NONE))
            self.paths = (*self.paths, keypoints)

    def _add_video(self, path: Path, picture: Picture, sound: bool) -> None:
        info = self._info
        # A video on a web server has no file here.
        file = Path(info.text) if sound and info.has_audio and Path(info.text).is_file() else None
        recorder = VideoRecorder(path, fps_hint=info.fps, live=self._live, sound_from=file)
        self._recorders.append(recorder)
        self.outputs.append(Output(recorder, picture))
        self.paths = (*self.paths, path)
