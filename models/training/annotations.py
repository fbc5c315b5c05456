"""Labelled pictures from COCO-style JSON: COCO, CrowdPose, and our own packing of either. No torch."""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import LitePoseError
from models.json_text import from_json
from models.skeleton import Skeleton

ABSENT, UNSURE, LABELLED = 0, 1, 2


class DataError(LitePoseError):
    """Annotations or pictures for training and evaluation are missing or malformed."""


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """One picture and who is in it, in its pixels.

    part:    the set it belongs to, "all" where the file names none.
    people:  (P, J, 3) float32: x, y and a state. LABELLED; UNSURE: nothing is to be learned of this joint around there;
             ABSENT.
    ignored: (G, 4) float32: left, top, right, bottom of people without usable joints, where nothing is to be learned.
    """

    id: int
    name: str
    width: int
    height: int
    part: str
    people: NDArray[np.float32]
    ignored: NDArray[np.float32]


def read_json(path: Path) -> dict[str, Any]:
    """The content of a COCO-style JSON file, packed with gzip or not."""
    try:
        raw = path.read_bytes()
        content = from_json(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
    except OSError as error:
        raise DataError(f"Cannot read the annotations “{path}”: {error}.") from error
    except (ValueError, EOFError) as error:
        raise DataError(f"“{path}” is no JSON: {error}.") from error
    if not isinstance(content, dict) or not {"images", "annotations"} <= content.keys():
        raise DataError(f"“{path}” is no COCO annotation file: it has no “images” and “annotations”.")
    return content


def read(path: Path, skeleton: Skeleton) -> list[LabelledPicture]:
    """All pictures of an annotation file, in its order. Raises DataError where a person has other joints than the skeleton.

    Beyond COCO's fields it knows `kp_state` (J states per person, as in LabelledPicture), `ignore`, and per picture `set`.
    COCO's own visibility flags 1 (hidden, but placed) and 2 both count as labelled, as in COCO's evaluation.
    """
    return parse(read_json(path), skeleton, str(path))


def parse(content: dict[str, Any], skeleton: Skeleton, origin: str) -> list[LabelledPicture]:
    """As `read`, for content that has been read. `origin` names it in messages."""
    people_of: dict[int, list[dict[str, Any]]] = {}
    try:
        for annotation in content["annotations"]:
            people_of.setdefault(annotation["image_id"], []).append(annotation)
        return [_picture(image, people_of.get(image["id"], []), skeleton) for image in content["images"]]
    except DataError as error:
        raise DataError(f"{origin}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"“{origin}” is no COCO annotation file: {error!r}.") from error


def _picture(image: dict[str, Any], annotations: list[dict[str, Any]], skeleton: Skeleton) -> LabelledPicture:
    people, ignored = [], []
    for annotation in annotations:
        joints = _joints(annotation, skeleton)
        if joints is None or annotation.get("ignore") or annotation.get("iscrowd"):
            x, y, w, h = annotation["bbox"]
            ignored.append((x, y, x + w, y + h))
        else:
            people.append(joints)
    return LabelledPicture(
        id=int(image["id"]),
        name=str(image["file_name"]),
        width=int(image["width"]),
        height=int(image["height"]),
        part=str(image.get("set", "all")),
        people=np.array(people, np.float32).reshape(-1, skeleton.joint_count, 3),
        ignored=np.array(ignored, np.float32).reshape(-1, 4),
    )


def _joints(annotation: dict[str, Any], skeleton: Skeleton) -> NDArray[np.float32] | None:
    """(J, 3) x, y, state; None where not one joint is labelled."""
    flat = np.array(annotation.get("keypoints", []), np.float32)
    if not flat.any():
        return None
    if len(flat) != 3 * skeleton.joint_count:
        raise DataError(
            f"person {annotation.get('id')} has {len(flat) // 3} joints, {skeleton.name} has {skeleton.joint_count}."
        )
    joints = flat.reshape(-1, 3)
    state = annotation.get("kp_state")
    joints[:, 2] = np.where(joints[:, 2] > 0, LABELLED, ABSENT) if state is None else state
    return joints if (joints[:, 2] == LABELLED).any() else None
