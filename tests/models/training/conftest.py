"""Eight labelled views of the astronaut, packed as training data: small enough to train on in a test."""

import gzip
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage
import torch

JOINTS = {0: (224, 108), 1: (241, 92), 2: (207, 92), 5: (330, 225), 6: (120, 225), 7: (400, 330), 8: (60, 340)}
UNSURE = 9  # the left wrist, said to be near the picture's lower border
SIDE = 128
TINY = """
resolution: 64
stem: 8
kernel: 3
expansion: 2
stages:
  - {width: 8, depth: 1, stride: 2}
  - {width: 8, depth: 1, stride: 2}
  - {width: 8, depth: 1, stride: 2}
  - {width: 8, depth: 1, stride: 1}
deconv: [8, 8, 8]
"""


def _files() -> tuple[dict[str, np.ndarray], dict]:
    """Pictures by file name, and their COCO annotations."""
    astronaut = skimage.data.astronaut()[:, :, ::-1]
    pictures, images, annotations = {}, [], []
    for number in range(8):
        scale, x, y = (0.25 + 0.02 * number), -4.0 * number, -3.0 * number
        matrix = np.array([[scale, 0, x], [0, scale, y]])
        name = f"part{number % 2}/{number}.png"
        pictures[name] = cv2.warpAffine(astronaut, matrix, (SIDE, SIDE))
        images.append({"id": number + 1, "file_name": name, "width": SIDE, "height": SIDE, "set": f"part{number % 2}"})
        joints, states = np.zeros((17, 3)), np.zeros(17, int)
        for joint, place in JOINTS.items():
            joints[joint] = (*(matrix[:, :2] @ place + matrix[:, 2]), 2)
            states[joint] = 2
        joints[UNSURE] = (100, 124, 1)
        states[UNSURE] = 1
        annotations.append(
            {
                "id": number + 1,
                "image_id": number + 1,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [10, 10, 100, 110],
                "area": 8000.0,
                "num_keypoints": len(JOINTS),
                "keypoints": joints.ravel().tolist(),
                "kp_state": states.tolist(),
            }
        )
    annotations.append(
        {"id": 99, "image_id": 1, "category_id": 1, "iscrowd": 0, "ignore": 1, "bbox": [0, 100, 20, 28], "area": 560}
        | {"num_keypoints": 0, "keypoints": [0] * 51}
    )
    return pictures, {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other make tiny networks slow on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny_network(tmp_path: Path) -> Path:
    """The YAML of a network that learns in no time."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def packed_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `labels.json.gz` and two tar files of pictures."""
    folder = tmp_path_factory.mktemp("packed")
    pictures, labels = _files()
    (folder / "labels.json.gz").write_bytes(gzip.compress(json.dumps(labels).encode()))
    for part in ("part0", "part1"):
        with tarfile.open(folder / f"{part}.tar", "w") as archive:
            for name, image in pictures.items():
                if name.startswith(part):
                    path = folder / "one.png"
                    cv2.imwrite(str(path), image)
                    archive.add(path, name)
                    path.unlink()
    return folder


@pytest.fixture(scope="session")
def plain_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `labels.json` in COCO's own form and the pictures beside it."""
    folder = tmp_path_factory.mktemp("plain")
    pictures, labels = _files()
    for annotation in labels["annotations"]:
        annotation.pop("kp_state", None)
    for image in labels["images"]:
        del image["set"]
    (folder / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
    for name, image in pictures.items():
        (folder / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / name), image)
    return folder
