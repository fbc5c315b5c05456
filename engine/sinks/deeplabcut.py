"""DeepLabCut's table for several animals: four lines of header, then one line a frame."""

from collections.abc import Callable, Iterator
from pathlib import Path

from engine.errors import SinkError
from engine.keypoint_files import FrameRecord, PersonRecord
from engine.sources.picture_file import is_picture
from models.skeleton import Skeleton

SCORER = "LitePose"
COORDINATES = ("x", "y", "likelihood")


def individual(person: PersonRecord, position: int) -> str:
    """The tracked id, or the place among the people of the frame."""
    return f"person{position + 1}" if person.id is None else f"id{person.id}"


def deeplabcut_table(
    records: Callable[[], Iterator[FrameRecord]], skeleton: Skeleton
) -> Iterator[list[str | int | float]]:
    """The rows. A frame is named by its index, a picture by its file, which sleap-io then looks for beside the table. Raises
    SinkError for frames of two videos.

    records: every call gives all frames from the first one on.
    """
    individuals: dict[str, None] = {}
    video: str | None = None
    for record in records():
        individuals.update((individual(person, position), None) for position, person in enumerate(record.people))
        if not is_picture(Path(record.source)):
            if video is not None and record.source != video:
                raise SinkError(
                    f"A table of DeepLabCut holds one video, and here are “{video}” and “{record.source}”. Record each into its own file, or choose .csv."
                )
            video = record.source
    # Without anybody there is still a header that readers accept.
    names = list(individuals) or ["person1"]
    columns = [(name, joint, coordinate) for name in names for joint in skeleton.joints for coordinate in COORDINATES]
    yield ["scorer", *[SCORER for _ in columns]]
    yield ["individuals", *[name for name, _, _ in columns]]
    yield ["bodyparts", *[joint for _, joint, _ in columns]]
    yield ["coords", *[coordinate for _, _, coordinate in columns]]
    nobody: tuple[tuple[str, str, str], ...] = (("", "", ""),) * skeleton.joint_count
    for record in records():
        present = {individual(person, position): person.keypoints for position, person in enumerate(record.people)}
        row: list[str | int | float] = [record.source if is_picture(Path(record.source)) else record.frame]
        for name in names:
            for joint in present.get(name, nobody):
                row += joint or ("", "", "")
        yield row
