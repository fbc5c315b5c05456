"""Keypoint files: the format is chosen by the ending of the name."""

import contextlib
import csv
import io
import logging
import os
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import SinkError, UsageError
from engine.keypoint_files import FrameRecord
from engine.sinks.coco_results import coco_results
from engine.sinks.deeplabcut import deeplabcut_table
from engine.sinks.line_file import LineFile
from engine.sinks.sink import Sink, expect_free, free_path, write_failure
from engine.types import Frame, Poses
from models.skeleton import Skeleton

logger = logging.getLogger(__name__)


def csv_line(cells: Sequence[object]) -> str:
    """One line of a table, quoted where needed, without its end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


class JsonLinesWriter(Sink):
    """One line a frame, also for frames without people."""

    def __init__(self, path: Path, skeleton: Skeleton, *, overwrite: bool = False) -> None:
        self._file = LineFile(path, overwrite=overwrite)

    def write(self, frame: Frame, poses: Poses, annotated: NDArray[np.uint8] | None) -> None:
        self._file.append(FrameRecord.of(frame, poses).line())

    def close(self) -> None:
        self._file.close()


class TableWriter(Sink):
    """One line of comma-separated values a person; frames without people have none. Missing joints are empty cells."""

    def __init__(self, path: Path, skeleton: Skeleton, *, overwrite: bool = False) -> None:
        self._file = LineFile(path, overwrite=overwrite)
        joints = [f"{joint}_{axis}" for joint in skeleton.joints for axis in ("x", "y", "score")]
        self._file.append(csv_line(["frame", "time_s", "source", "person", "id", "score", *joints]))

    def write(self, frame: Frame, poses: Poses, annotated: NDArray[np.uint8] | None) -> None:
        record = FrameRecord.of(frame, poses)
        for position, person in enumerate(record.people):
            number = "" if person.id is None else person.id
            joints = [cell for joint in person.keypoints for cell in (joint or ("", "", ""))]
            self._file.append(
                csv_line([record.frame, record.time_s, record.source, position, number, person.score, *joints])
            )

    def close(self) -> None:
        self._file.close()


class SpooledWriter(Sink):
    """For formats that can only be written as a whole: keeps the frames as JSON lines in `NAME.partial` until it is closed.

    The file appears complete or not at all. Killed, the `.partial` file holds every frame; the next writer of the same
    name puts it aside as a `.jsonl` file.
    """

    def __init__(self, path: Path, skeleton: Skeleton, *, overwrite: bool = False) -> None:
        expect_free(path, overwrite)
        self._path, self._overwrite = path, overwrite
        self.skeleton = skeleton
        partial = path.with_name(path.name + ".partial")
        if partial.exists():
            self._rescue(partial)
        self._spool = LineFile(partial, overwrite=False)
        self._closed = False

    @abstractmethod
    def pieces(self, records: Callable[[], Iterator[FrameRecord]]) -> Iterator[str]:
        """The text of the whole file, piece by piece. records: every call gives all frames from the first one on."""

    def _rescue(self, partial: Path) -> None:
        kept = free_path(self._path.with_name(f"{self._path.stem}-recovered.jsonl"))
        try:
            partial.rename(kept)
        except OSError as error:
            raise write_failure(kept, error) from error
        logger.warning("“%s” was left by a run that was cut off; its keypoints are in “%s”.", partial, kept)

    def write(self, frame: Frame, poses: Poses, annotated: NDArray[np.uint8] | None) -> None:
        self._spool.append(FrameRecord.of(frame, poses).line())

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._spool.close()
        try:
            self._publish()
        except OSError as error:
            raise SinkError(f"{write_failure(self._path, error)} The keypoints are in “{self._spool.path}”.") from error
        self._spool.path.unlink()

    def _publish(self) -> None:
        expect_free(self._path, self._overwrite)
        handle, name = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=self._path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                for piece in self.pieces(lambda: map(FrameRecord.parse, self._spool.lines())):
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            # mkstemp makes files that only their owner may read.
            temporary.chmod(self._spool.path.stat().st_mode & 0o777)
            temporary.replace(self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise


class CocoWriter(SpooledWriter):
    """A COCO results list, as pycocotools' `loadRes` takes it."""

    def pieces(self, records: Callable[[], Iterator[FrameRecord]]) -> Iterator[str]:
        return coco_results(records())


class DeepLabCutWriter(SpooledWriter):
    """A multi-animal table of DeepLabCut, which sleap-io reads as well. Holds one video, or pictures."""

    def pieces(self, records: Callable[[], Iterator[FrameRecord]]) -> Iterator[str]:
        return (csv_line(row) + "\n" for row in deeplabcut_table(records, self.skeleton))


# The longer ending first: .dlc.csv is also a .csv.
FORMATS: tuple[tuple[str, Callable[..., Sink]], ...] = (
    (".jsonl", JsonLinesWriter),
    (".json", CocoWriter),
    (".dlc.csv", DeepLabCutWriter),
    (".csv", TableWriter),
)


def open_keypoint_writer(path: Path, skeleton: Skeleton, *, overwrite: bool = False) -> Sink:
    """A writer for the format that the file's ending names. Raises UsageError for any other ending, SinkError."""
    name = path.name.lower()
    for ending, make in FORMATS:
        if name.endswith(ending) and name != ending:
            return make(path, skeleton, overwrite=overwrite)
    endings = "COCO results .json, .jsonl, .csv, DeepLabCut .dlc.csv"
    raise UsageError(f"“{path}” names no known format of keypoints. Known endings: {endings}.")
