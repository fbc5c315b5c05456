"""Keypoints on disk, one frame a line: what the writers write, and what replaying and measuring read again.

A line is `{"frame", "time_s", "source", "people": [{"id", "score", "keypoints": [[x, y, score] or null × J]}]}`.
"""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import SourceError
from engine.types import UNTRACKED, Frame, Poses
from models.json_text import from_json
from models.skeleton import SKELETONS, Skeleton

# Further digits would be noise: a hundredth of a pixel, a microsecond.
PIXEL_DIGITS, SCORE_DIGITS, TIME_DIGITS = 2, 4, 6
LARGEST = 2**53  # whole numbers up to here are exact as floats, and fit 64 bits

Joint = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """id: None where the person was not tracked. keypoints: J times (x, y in pixels, score), None where missing."""

    id: int | None
    score: float
    keypoints: tuple[Joint | None, ...]


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """What one line says: index of the frame, its media time in seconds, what the user calls its source, its people."""

    frame: int
    time_s: float
    source: str
    people: tuple[PersonRecord, ...]

    @classmethod
    def of(cls, frame: Frame, poses: Poses) -> "FrameRecord":
        """Rounded to what is not noise."""
        points = np.concatenate([poses.keypoints, poses.scores[..., None]], axis=2).astype(np.float64)
        people = []
        for joints, score, number in zip(points.tolist(), poses.person_scores.tolist(), poses.ids.tolist()):
            keypoints = tuple(
                None if math.isnan(x) else (round(x, PIXEL_DIGITS), round(y, PIXEL_DIGITS), round(s, SCORE_DIGITS))
                for x, y, s in joints
            )
            people.append(PersonRecord(None if number == UNTRACKED else number, round(score, SCORE_DIGITS), keypoints))
        return cls(frame.index, round(float(frame.media_s), TIME_DIGITS), frame.source, tuple(people))

    @classmethod
    def parse(cls, line: str) -> "FrameRecord":
        """Raises ValueError, saying what is wrong with the line."""
        record = from_json(line)
        if not isinstance(record, dict):
            raise ValueError("it is not an object")
        for key in ("frame", "time_s", "source", "people"):
            if key not in record:
                raise ValueError(f"“{key}” is missing")
        if not isinstance(record["people"], list):
            raise ValueError("“people” is not a list")
        return cls(
            int(_number(record["frame"], "frame")),
            _number(record["time_s"], "time_s"),
            str(record["source"]),
            tuple(_person(person) for person in record["people"]),
        )

    def line(self) -> str:
        """One line of JSON, without its end."""
        people = [{"id": person.id, "score": person.score, "keypoints": person.keypoints} for person in self.people]
        record = {"frame": self.frame, "time_s": self.time_s, "source": self.source, "people": people}
        return json.dumps(record, ensure_ascii=False, allow_nan=False)

    def poses(self, skeleton: Skeleton) -> Poses:
        """As they were, up to rounding. Raises ValueError where the number of joints is another."""
        count = len(self.people)
        keypoints = np.full((count, skeleton.joint_count, 2), np.nan, np.float32)
        scores = np.zeros((count, skeleton.joint_count), np.float32)
        for row, person in enumerate(self.people):
            if len(person.keypoints) != skeleton.joint_count:
                raise ValueError(
                    f"a person has {len(person.keypoints)} joints, {skeleton.name} has {skeleton.joint_count}"
                )
            for joint, found in enumerate(person.keypoints):
                if found is not None:
                    keypoints[row, joint] = found[:2]
                    scores[row, joint] = found[2]
        person_scores = np.array([person.score for person in self.people], np.float32)
        ids = np.array([UNTRACKED if person.id is None else person.id for person in self.people], np.int64)
        return Poses(keypoints, scores, person_scores, ids, skeleton)


def read_keypoints(path: Path) -> Iterator[FrameRecord]:
    """The frames of a JSONL file in its order, one at a time. Raises SourceError with the line's number.

    A last line without its end is what a killed program was writing: it is left out.
    """
    number = 0
    try:
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    record = FrameRecord.parse(line)
                except ValueError as error:
                    if number > 1 and not line.endswith("\n"):
                        return
                    raise SourceError(
                        f"“{path}”, line {number}, is not a frame of keypoints: {_reason(error)}. Give a .jsonl file that this program wrote."
                    ) from error
                yield record
    except FileNotFoundError:
        raise SourceError(f"There is no file “{path}”. Check the name.") from None
    except UnicodeDecodeError as error:
        raise SourceError(f"“{path}” is not a text file. Give a .jsonl file that this program wrote.") from error
    except (OSError, ValueError) as error:  # a ValueError: what no file can be called
        raise SourceError(f"“{path}” cannot be read: {getattr(error, 'strerror', None) or error}.") from error


def skeleton_of(records: Iterable[FrameRecord]) -> Skeleton | None:
    """The known skeleton with as many joints as the first person; None where there is nobody. Raises SourceError."""
    for record in records:
        for person in record.people:
            for skeleton in SKELETONS.values():
                if skeleton.joint_count == len(person.keypoints):
                    return skeleton
            known = ", ".join(f"{skeleton.joint_count} ({skeleton.name})" for skeleton in SKELETONS.values())
            raise SourceError(f"People with {len(person.keypoints)} joints are not known. Known are {known}.")
    return None


def _reason(error: ValueError) -> str:
    return "it is not JSON" if isinstance(error, json.JSONDecodeError) else str(error)


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"“{name}” is not a number")
    if not abs(value) <= LARGEST:  # so that NaN is none either
        raise ValueError(f"“{name}” is not a number up to {LARGEST:.0e}")
    return float(value)


def _person(value: Any) -> PersonRecord:
    if not isinstance(value, dict) or not isinstance(value.get("keypoints"), list):
        raise ValueError("a person has no list of keypoints")
    number = value.get("id")
    return PersonRecord(
        None if number is None else int(_number(number, "id")),
        _number(value.get("score"), "score"),
        tuple(_joint(joint) for joint in value["keypoints"]),
    )


def _joint(value: Any) -> Joint | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError("a keypoint is neither null nor [x, y, score]")
    x, y, score = (_number(part, "keypoints") for part in value)
    return x, y, score
