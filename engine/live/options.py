"""What a live session is asked to do, and what it says back."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Literal

from engine.decode.grouping import USUAL_CONFIDENCE, GroupingSettings
from engine.drawing import DrawingSettings
from engine.errors import UsageError
from engine.live.recording import RecordingOptions
from engine.live.states import SessionState
from engine.sources import SourceSettings


class FileMode(StrEnum):
    """How files are read.

    LOSS_FREE: every frame is estimated; where the network is slower than the file, the file plays slower.
    AS_CAMERA: the file plays at its own speed and the newest frame wins, as with a camera.
    """

    LOSS_FREE = "loss-free"
    AS_CAMERA = "as-camera"


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """What a session starts with; most can be changed while it runs.

    source:          what the user typed or chose: "demo", a camera's name or number, a file, a folder, an address.
    source_settings: rotation, mirroring, resolution, …; `real_time` says whether files play at their own speed.
    size:            "xs", "s", "m", "l", or a weights file.
    input_mode:      "auto", "square" or "WxH", as for PoseEstimator.
    threads:         workers of the network; None means as many as suit this machine.
    device:          what the network runs on; "auto" means a GPU if one can be used. “opencl:1” means the second device.
    precision:       "fp32", or "fp16" or "int8" where the processor has its arithmetic.
    joint_threshold: score from which on joints are found; None means the one that the weights were published with.
    confidence:      how sure to be of people, from 0 (all) to 1 (none); as GroupingSettings.at_confidence.
    max_people:      the best ones are kept; None means as many as the weights were published with.
    tracking:        people get ids.
    smoothing:       joints are smoothed over time; needs tracking, and does nothing without it.
    file_mode:       loss-free or as a camera; live sources are always read as cameras.
    reconnect:       a lost live source is opened again and again until it is back. False: the session fails.
    drawing:         overlays on recordings and streams.
    recording:       begins with the first frame; where it cannot, the session fails.
    stall_s:         a live source without a frame for this long counts as lost.
    """

    source: str = "demo"
    source_settings: SourceSettings = field(default_factory=lambda: SourceSettings(real_time=True))
    size: str | Path = "xs"
    input_mode: str = "auto"
    threads: int | None = None
    device: Literal["cpu", "opencl", "cuda", "auto"] = "cpu"
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    joint_threshold: float | None = None
    confidence: float = USUAL_CONFIDENCE
    max_people: int | None = None
    tracking: bool = True
    smoothing: bool = True
    file_mode: FileMode = FileMode.LOSS_FREE
    reconnect: bool = True
    drawing: DrawingSettings = field(default_factory=DrawingSettings)
    recording: RecordingOptions | None = None
    stall_s: float = 2.0

    def grouping(self, published: GroupingSettings) -> GroupingSettings:
        """The settings that weights were published with, changed where these options say something else."""
        return replace(
            published.at_confidence(self.confidence),
            joint_threshold=published.joint_threshold if self.joint_threshold is None else self.joint_threshold,
            max_people=published.max_people if self.max_people is None else self.max_people,
        )

    def __post_init__(self) -> None:
        if not 0 <= self.confidence <= 1 or not 0 <= (self.joint_threshold or 0) <= 1:
            raise UsageError("A threshold is a score between 0 and 1.")
        if self.max_people is not None and self.max_people < 1:
            raise UsageError(f"At least one person must be looked for, not {self.max_people}.")


class EventKind(StrEnum):
    """What an event is about."""

    STATE = "state"
    """The state changed; `state` is the new one."""
    PROGRESS = "progress"
    """A step of loading or building a network."""
    SIZE = "size"
    """Another size is running now; `text` names it."""
    SOURCE = "source"
    """Another source is being read now, or the same one again after it was lost."""
    LOST = "lost"
    """The source is gone; it is being opened again."""
    ENDED = "ended"
    """A file or folder has been read to its end and every frame of it has its result."""
    RECORDING = "recording"
    """A recording began or was finished; `paths` are its files."""
    WARNING = "warning"
    """Something that the user asked for did not happen; the session goes on."""
    FAILURE = "failure"
    """The session cannot go on; `text` says why."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something a user may want to know.

    text:    a sentence for the user; empty for STATE.
    state:   the session's state when it happened.
    paths:   files that it is about.
    details: the traceback, where there is one, for a log or a bug report.
    """

    kind: EventKind
    state: SessionState
    text: str = ""
    paths: tuple[Path, ...] = ()
    details: str = ""


Listener = Callable[[Event], None]
