"""COCO results: one object a person, as evaluation tools read them."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.keypoint_files import FrameRecord
from engine.sources.picture_file import is_picture

PERSON = 1  # COCO's category


class ImageNumbers:
    """Gives every picture its `image_id`: the number in its file's name, or the next free one from 1; frames of videos their index.

    Two pictures never share a number: whoever comes second to one gets a free one.
    """

    def __init__(self) -> None:
        self._given: dict[tuple[str, int], int] = {}
        self._taken: set[int] = set()
        self._next = 1

    def number(self, record: FrameRecord) -> int:
        picture = Path(record.source)
        key = (record.source, record.frame)
        if key in self._given:
            return self._given[key]
        wanted: int | None = record.frame
        if is_picture(picture):
            wanted = int(picture.stem) if re.fullmatch("[0-9]{1,18}", picture.stem) else None
        if wanted is None or wanted in self._taken:
            while self._next in self._taken:
                self._next += 1
            wanted = self._next
        self._taken.add(wanted)
        self._given[key] = wanted
        return wanted


def coco_results(records: Iterable[FrameRecord]) -> Iterator[str]:
    """A JSON list, one person a line. Missing joints are three zeros; frames without people leave no trace."""
    numbers = ImageNumbers()
    separator = "[\n"
    for record in records:
        image_id = numbers.number(record)
        for person in record.people:
            result: dict[str, object] = {
                "image_id": image_id,
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
