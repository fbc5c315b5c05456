"""COCO results: one object a person, as evaluation tools read them."""

import json
import re
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

from engine.keypoint_files import FrameRecord
from engine.sources.picture_file import is_picture

PERSON = 1  # COCO's category
NUMBER = re.compile(r"[0-9]{1,18}")


def number_images(records: Iterable[FrameRecord]) -> dict[tuple[str, int], int]:
    """The `image_id` of every (source, frame): the number that a picture's file is called by, the index of a video's frame.

    Pictures with other names, and those that come second to a number, get the free numbers from 1 on.
    """
    numbers: dict[tuple[str, int], int] = {}
    taken: set[int] = set()
    waiting: dict[tuple[str, int], None] = {}
    for record in records:
        key = (record.source, record.frame)
        stem = Path(record.source).stem
        named = int(stem) if NUMBER.fullmatch(stem) else None
        wanted = named if is_picture(Path(record.source)) else record.frame
        if wanted is None or wanted in taken:
            waiting[key] = None
        elif key not in numbers:
            numbers[key] = wanted
            taken.add(wanted)
    following = 1
    for key in waiting:
        if key not in numbers:
            while following in taken:
                following += 1
            numbers[key] = following
            taken.add(following)
    return numbers


def coco_results(records: Callable[[], Iterable[FrameRecord]]) -> Generator[str, None, None]:
    """A JSON list, one person a line. Missing joints are three zeros; frames without people leave no trace.

    records: every call gives all frames from the first one on.
    """
    numbers = number_images(records())
    separator = "[\n"
    for record in records():
        for person in record.people:
            result: dict[str, object] = {
                "image_id": numbers[record.source, record.frame],
                "category_id": PERSON,
                "keypoints": [value for joint in person.keypoints for value in (joint or (0.0, 0.0, 0.0))],
                "score": person.score,
                "file_name": record.source,
            }
            if not is_picture(Path(record.source)):
                result |= {"frame": record.frame, "time_s": record.time_s}
            if person.id is not None:
                result["track_id"] = person.id
            yield separator + json.dumps(result, ensure_ascii=False)
            separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"
