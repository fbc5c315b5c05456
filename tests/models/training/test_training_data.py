import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from models.skeleton import COCO_17, CROWDPOSE_14
from models.training import annotations
from models.training.annotations import LABELLED, UNSURE, DataError, LabelledPicture
from models.training.dataset import Sources, Views, batches, planned_batches
from models.training.device_rendering import DevicePictures
from models.training.pictures import Pictures
from models.training.settings import Augmentation, Settings
from models.training.views import Planner

STILL = Augmentation(
    person_scale=(0.5, 0.5), picture_scale=(1, 1), rotated=0, stretch=0, shift=0, side_by_side=0, brightness=0, contrast=0
)  # fmt: skip


def sources(folder: Path, labels: str) -> Sources:
    return Sources.open([folder / labels], [folder], COCO_17)


def settings(augmentation: Augmentation = STILL) -> Settings:
    return Settings("xs", shapes=((96, 64), (64, 96)), batch=4, augmentation=augmentation)


def test_packed_and_plain_data_hold_the_same_pictures(packed_data: Path, plain_data: Path) -> None:
    packed, plain = sources(packed_data, "labels.json.gz"), sources(plain_data, "labels.json")
    assert [one.name for one in packed.labelled] == [one.name for one in plain.labelled]
    for a, b in zip(packed.labelled, plain.labelled):
        assert np.array_equal(packed.pictures.read(a.name), plain.pictures.read(b.name))
        assert np.array_equal(a.people[..., :2], b.people[..., :2])
    assert packed.labelled[1].part == "part1"
    assert plain.labelled[1].part == "all"


def test_states_and_ignored_people_are_read(packed_data: Path, plain_data: Path) -> None:
    packed, plain = sources(packed_data, "labels.json.gz").labelled[0], sources(plain_data, "labels.json").labelled[0]
    assert packed.people[0, 9, 2] == UNSURE
    assert plain.people[0, 9, 2] == LABELLED  # COCO's flag 1: hidden, but placed
    assert packed.ignored.tolist() == [[0, 100, 20, 128]]


def test_crowdpose_labels_need_the_other_skeleton(tmp_path: Path) -> None:
    person = {"id": 1, "image_id": 7, "bbox": [0, 0, 9, 9], "keypoints": [1, 2, 2] * 14, "iscrowd": 0}
    image = {"id": 7, "file_name": "a.jpg", "width": 9, "height": 9, "crowdIndex": 0.5}
    path = tmp_path / "crowd.json"
    path.write_text(json.dumps({"images": [image], "annotations": [person]}), encoding="utf-8")
    assert annotations.read(path, CROWDPOSE_14)[0].people.shape == (1, 14, 3)
    with pytest.raises(DataError, match="has 14 joints, coco-17 has 17"):
        annotations.read(path, COCO_17)


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"images": [{}], "annotations": []}'])
def test_a_file_that_is_no_annotation_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"broken\.json"):
        annotations.read(path, COCO_17)


def test_missing_pictures_are_named(packed_data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no picture “x\.png”"):
        Pictures(packed_data).read("x.png")
    with pytest.raises(DataError, match="None of the labelled pictures"):
        Sources.open([packed_data / "labels.json.gz"], [tmp_path], COCO_17)


def test_joints_stay_on_what_they_mark(packed_data: Path) -> None:
    """Views differ by place, size, mirroring and turning; the colour under the nose stays nearly the same."""
    moving = replace(STILL, person_scale=(0.4, 1.2), rotated=1.0, shift=0.2, side_by_side=0.3)
    views = Views(sources(packed_data, "labels.json.gz"), settings(moving), COCO_17)
    colours = []
    for number in range(40):
        picture, people, _ = views[number]
        for x, y, state in people[:, 0]:
            if state == LABELLED:
                colours.append(picture[:, int(y.round()), int(x.round())].float())
    assert len(colours) > 25
    assert (torch.stack(colours) - torch.stack(colours).median(0).values).abs().median() < 15


def test_close_ups_show_head_and_shoulders_as_large_as_asked() -> None:
    """Someone who stands 200 pixels tall, with a head of 20 pixels above shoulders 40 pixels wide."""
    places = np.full((1, 17, 3), LABELLED, np.float32)
    places[0, :, 0] = 100 + np.array([0, 5, -5, 10, -10, 20, -20, 25, -25, 25, -25, 12, -12, 12, -12, 12, -12])
    places[0, :, 1] = 20 + np.array([5, 0, 0, 3, 3, 30, 30, 70, 70, 100, 100, 105, 105, 155, 155, 200, 200])
    person = LabelledPicture("1", "", 200, 240, "all", places, np.zeros((0, 4), np.float32))

    def scales(augmentation: Augmentation) -> set[float]:
        planner = Planner([person], np.ones(1), COCO_17, augmentation, seed=1)
        return {round(planner.plan(number, 96, 96).pieces[0].scale, 3) for number in range(40)}

    assert round(0.5 * 96 / (1.25 * 40), 3) in scales(replace(STILL, close_up=1.0, close_up_scale=(0.5, 0.5)))
    assert round(0.9 * 96 / (1.25 * 200), 3) in scales(replace(STILL, person_scale=(0.9, 0.9)))


def test_mirrored_people_keep_their_left_and_right(packed_data: Path) -> None:
    """The astronaut faces us: her left shoulder is on the right, also of a mirrored picture."""
    views = Views(sources(packed_data, "labels.json.gz"), settings(), COCO_17)
    mirrored = set()
    for number in range(20):
        plan, (_, people, _) = views.plan(number), views[number]
        left, right = people[0, 5], people[0, 6]
        if left[2] == right[2] == LABELLED:
            assert left[0] > right[0]
            mirrored.add(bool(plan.pieces[0].matrix[0, 0] < 0))
    assert mirrored == {True, False}


def test_loader_processes_start_from_one_whose_opencv_has_threads(
    packed_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = Views(sources(packed_data, "labels.json.gz"), settings(Augmentation()), COCO_17)
    truth = next(batches(views, 4, 0, workers=0)).picture
    monkeypatch.setattr("models.training.dataset.DataLoader", partial(DataLoader, timeout=60))
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(3)
        cv2.resize(np.zeros((2000, 2000, 3), np.uint8), (900, 900), interpolation=cv2.INTER_AREA)  # starts them
        time.sleep(0.5)  # until they have nothing to do, and sleep
        loaded = next(batches(views, 4, 0, workers=1))
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(before)
    assert torch.equal(loaded.picture, truth)


def test_batches_are_the_same_from_any_start_in_any_number_of_processes(packed_data: Path) -> None:
    views = Views(sources(packed_data, "labels.json.gz"), settings(Augmentation()), COCO_17)
    whole = [batch for batch, _ in zip(batches(views, 4, 0, workers=0), range(4))]
    later = next(batches(views, 4, 12, workers=0))
    assert torch.equal(whole[3].picture, later.picture)
    assert torch.equal(whole[3].people, later.people)
    second = next(batches(views, 4, 0, workers=0, rank=1, ranks=2))
    assert torch.equal(whole[1].picture, second.picture)
    assert {tuple(batch.picture.shape[2:]) for batch in whole} <= {(64, 96), (96, 64)}


def test_both_renderers_draw_the_same_view(packed_data: Path) -> None:
    strong = replace(Augmentation(), mosaic=0.3, grey=0.3, blur=0.3, noise=0, erase=0.5)
    data = sources(packed_data, "labels.json.gz")
    views, device = Views(data, settings(strong), COCO_17), DevicePictures(data, torch.device("cpu"))
    rendered, planned = batches(views, 4, 0, workers=0), planned_batches(views, 4, 0, workers=0)
    for whole, (plans, people, ignored), _ in zip(rendered, planned, range(3)):
        assert torch.equal(whole.people, people)
        assert torch.equal(whole.ignored, ignored)
        for expected, found in zip(whole.picture.float(), device.render(plans).float()):
            assert (expected - found).abs().mean() < 2
