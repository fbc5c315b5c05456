"""Keypoint files: the format is chosen by the ending of the name."""

import csv
import io
import logging
import os
from abc import abstractmethod
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import SinkError, UsageError
from engine.keypoint_files import FrameRecord, read_keypoints
from engine.sinks.coco_results import coco_results
from engine.sinks.deeplabcut import deeplabcut_table
from engine.sinks.line_file import LineFile
from engine.sinks.output_file import create_file, expect_free, free_path, write_failure
from engine.sinks.sink import Sink
from engine.types import Frame, Poses
from models.skeleton import Skeleton

logger = logging.getLogger(__name__)

JOURNAL_SUFFIX = ".partial"


class KeypointWriter(Sink):
    """Turns frames into records. A file that got no frame at all is removed when it is closed."""

    def __init__(self, path: Path, skeleton: Skeleton, *, overwrite: bool = False) -> None:
        self._path, self._skeleton, self._overwrite = path, skeleton, overwrite
        self._used = self._closed = False

    def write(self, frame: Frame, poses: Poses, annotated: NDArray[np.uint8] | None = None) -> None:
        if poses.skeleton.joints != self._skeleton.joints:
            raise SinkError(
                f"“{self._path}” holds people with the joints of {self._skeleton.name}; those of {poses.skeleton.name} do not fit. Write them into another file."
            )
        self._used = True
        self._add(FrameRecord.of(frame, poses))

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._finish()

    @abstractmethod
    def _add(self, record: FrameRecord) -> None: ...

    @abstractmethod
    def _finish(self) -> None: ...


class JsonLinesWriter(KeypointWriter):
    """One line a frame, also for frames without people."""

    def __init__(self, path: Path, skeleton: Skeleton, *, overwrite: bool = False) -> None:
        super().__init__(path, skeleton, overwrite=overwrite)
        self._file = LineFile(path, overwrite=overwrite)

    def _add(self, record: FrameRecord) -> None:
        self._file.append(record.line())

    def _finish(self) -> None:
        self._file.close(keep=self._used)


class TableWriter(KeypointWriter):
    """One line of comma-separated values a person; frames without people have none. Missing joints are empty cells.

    person: the place among the people of the frame, best first. id: empty where the person was not tracked.
    """

    def __init__(self, path: Path, skeleton: Skeleton, *, overwrite: bool = False) -> None:
        super().__init__(path, skeleton, overwrite=overwrite)
        self._file = LineFile(path, overwrite=overwrite)
        joints = [f"{joint}_{axis}" for joint in skeleton.joints for axis in ("x", "y", "score")]
        self._file.append(csv_line(["frame", "time_s", "source", "person", "id", "score", *joints]))

    def _add(self, record: FrameRecord) -> None:
        for position, person in enumerate(record.people):
            number = "" if person.id is None else person.id
            joints = [cell for joint in person.keypoints for cell in (joint or ("", "", ""))]
            self._file.append(
                csv_line([record.frame, record.time_s, record.source, position, number, person.score, *joints])
            )

    def _finish(self) -> None:
        self._file.close(keep=self._used)


class JournaledWriter(KeypointWriter):
    """For formats that can only be written as a whole: keeps the frames as JSON lines in `NAME.partial` until it is closed.

    The file appears complete or not at all. After a crash the journal holds every frame; the next writer of the same
    name puts it aside as a `.jsonl` file, and `convert_keypoints` makes the file of it that was to be.
    """

    def __init__(self, path: Path, skeleton: Skeleton, *, overwrite: bool = False) -> None:
        super().__init__(path, skeleton, overwrite=overwrite)
        expect_free(path, overwrite)
        journal = path.with_name(path.name + JOURNAL_SUFFIX)
        if journal.exists():
            _put_aside(journal, path)
        self._journal = LineFile(journal)

    def _add(self, record: FrameRecord) -> None:
        self._journal.append(record.line())

    def _finish(self) -> None:
        self._journal.close(keep=self._used)
        if not self._used:
            return
        try:
            convert_keypoints(self._journal.path, self._path, self._skeleton, overwrite=self._overwrite)
        except SinkError as error:
            raise SinkError(f"{error} The keypoints are in “{self._journal.path}”.") from error
        self._journal.path.unlink()


def _put_aside(journal: Path, path: Path) -> None:
    kept = free_path(path.with_name(f"{path.stem}-recovered.jsonl"))
    try:
        journal.rename(kept)
    except OSError as error:
        raise write_failure(kept, error) from error
    logger.warning("“%s” was left by a run that was cut off; its keypoints are now in “%s”.", journal, kept)


WRITERS: dict[str, type[KeypointWriter]] = {
    ".jsonl": JsonLinesWriter,
    ".json": JournaledWriter,
    # The longer ending first: .dlc.csv is a .csv as well.
    ".dlc.csv": JournaledWriter,
    ".csv": TableWriter,
}


def open_keypoint_writer(path: Path, skeleton: Skeleton, *, overwrite: bool = False) -> Sink:
    """A writer for the format that the file's ending names. Raises UsageError for an unknown ending, SinkError."""
    for ending, writer in WRITERS.items():
        if path.name.lower().endswith(ending):
            return writer(path, skeleton, overwrite=overwrite)
    raise UsageError(
        f"“{path}” names no known keypoint format. Known endings: .jsonl (JSON lines), .json (COCO results), "
        ".csv (one row a person), .dlc.csv (DeepLabCut)."
    )


def convert_keypoints(lines: Path, target: Path, skeleton: Skeleton, *, overwrite: bool = False) -> None:
    """Writes the frames of a JSON lines file, or of the journal that a crash left, as COCO results or for DeepLabCut.

    The target appears in one step. Raises SinkError, UsageError for another ending, SourceError where the lines cannot
    be read.
    """
    name = target.name.lower()
    if name.endswith(".json"):
        text: Generator[str, None, None] = coco_results(lambda: read_keypoints(lines))
    elif name.endswith(".dlc.csv"):
        text = (csv_line(row) + "\n" for row in deeplabcut_table(lambda: read_keypoints(lines), skeleton))
    else:
        raise UsageError(f"Keypoints are converted into .json or .dlc.csv, and “{target}” is neither.")
    expect_free(target, overwrite)
    draft = target.with_name(f".{target.name}.new")
    descriptor = create_file(draft, overwrite=True)
    try:
        # Closed, it lets go of the lines' file, also where writing fails.
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file, closing(text):
            for piece in text:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except OSError as error:
        raise write_failure(target, error) from error
    finally:
        draft.unlink(missing_ok=True)


def csv_line(cells: Sequence[object]) -> str:
    """One line of a table, quoted where needed, without its end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
