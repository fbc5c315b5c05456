import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage

from engine.decode.grouping import GroupingSettings
from engine.estimator import PoseEstimator
from engine.evaluation.prediction import predict
from main import main
from models import checkpoints
from models.architecture import load
from models.skeleton import COCO_17
from models.training import annotations
from models.training.pictures import Pictures


@pytest.fixture
def data(tmp_path: Path) -> list[str]:
    """Three pictures with one labelled person each, and random weights: options of `main.py eval` for them."""
    images, people = [], []
    for number in range(3):
        picture = skimage.data.astronaut()[: 160 + 20 * number, 100:300, ::-1]
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
        images.append(
            {"id": number, "file_name": f"{number}.png", "width": 200, "height": picture.shape[0], "set": "a"}
        )
        joints = np.zeros((17, 3))
        joints[:3] = [(124, 108, 2), (141, 92, 2), (107, 92, 2)]
        people.append({"id": number + 1, "image_id": number, "category_id": 1, "iscrowd": 0, "num_keypoints": 3})
        people[-1] |= {"bbox": [60, 20, 120, 130], "area": 9000, "keypoints": joints.ravel().tolist()}
    (tmp_path / "labels.json").write_text(json.dumps({"images": images, "annotations": people}), encoding="utf-8")
    checkpoints.save(checkpoints.synthetic(load("xs"), COCO_17, seed=0), tmp_path / "random.safetensors")
    return ["eval", "--weights", str(tmp_path / "random.safetensors"), "--annotations", str(tmp_path / "labels.json"),
            "--images", str(tmp_path), "--engine", "torch", "--input", "96x96", "--threads", "1"]  # fmt: skip


def test_figures_and_plots_are_written(data: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = tmp_path / "result.json"
    assert main([*data, "--json", str(result), "--plot", str(tmp_path / "plots"), "--flip", "--refine"]) == 0
    content = json.loads(result.read_text(encoding="utf-8"))
    assert set(content["sets"]) == {"all", "a"}
    assert {"AP", "AP50", "AP75", "AR", "PCK", "pictures", "people"} <= content["sets"]["a"].keys()
    assert (content["sets"]["a"]["pictures"], content["sets"]["a"]["people"]) == (3, 3)
    for name in ("precision-recall", "joint-errors", "worst"):
        assert (tmp_path / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "PCK" in capsys.readouterr().out


def test_refinement_finds_more_joints_of_the_same_people(data: list[str], tmp_path: Path) -> None:
    estimator = PoseEstimator.load(tmp_path / "random.safetensors", engine="torch", input_mode="96x96", threads=1)
    labelled = annotations.read(tmp_path / "labels.json", COCO_17)
    settings = replace(GroupingSettings(), joint_threshold=0.3, min_joints=2, person_threshold=0.0)
    estimator.settings = settings
    found = [
        [one.poses(COCO_17, settings) for one in predict(estimator, labelled, Pictures(tmp_path), refined=refined)]
        for refined in (False, True)
    ]
    joints = [sum(int(poses.visible.sum()) for poses in some) for some in found]
    assert 0 < joints[0] < joints[1]


def test_refinement_and_tuning_exclude_each_other(data: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*data, "--refine", "--tune"]) == 2
    assert "without --refine" in capsys.readouterr().err


def test_a_result_is_compared_with_an_earlier_one(
    data: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = str(tmp_path / "earlier.json")
    assert main([*data, "--json", earlier]) == 0
    assert main([*data, "--compare", earlier]) == 0
    assert "AP +0.0000, 95 % interval +0.0000 to +0.0000" in capsys.readouterr().out


def test_wrong_files_give_one_sentence(data: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*data, "--compare", str(tmp_path / "labels.json")]) == 2
    assert "was not written by main.py eval" in capsys.readouterr().err
    at = data.index("--annotations") + 1
    assert main([*data[:at], str(tmp_path / "0.png"), *data[at + 1 :]]) == 1
    assert "is no JSON" in capsys.readouterr().err
