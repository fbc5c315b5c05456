import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import main
from engine.decode.grouping import GroupingSettings
from engine.estimator import PoseEstimator
from models import architecture, checkpoints
from models.errors import WeightsError
from models.litepose import LitePose
from models.skeleton import COCO_17

ROOT = Path(main.__file__).parent
SMALL = {
    "resolution": 64,
    "stem": 8,
    "expansion": 2,
    "kernel": 3,
    "stages": [{"width": 8, "depth": 1, "stride": stride} for stride in (2, 2, 2, 1)],
    "deconv": [8, 8, 8],
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LITEPOSE_WEIGHTS", str(tmp_path / "imported"))
    return tmp_path / "imported"


@pytest.fixture
def official(tmp_path):
    path = tmp_path / "model_best.pth.tar"
    state = LitePose(architecture.load("s"), 14).state_dict()
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, path)
    return path


def test_list_has_every_size_with_its_cost_and_accuracy(capsys):
    assert main.main(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["size", *architecture.SIZES]
    assert "256×256" in lines[1]
    assert "0.89" in lines[1]
    assert "1.16" in lines[1]
    assert "yes" in lines[1]


def test_list_starts_without_what_runs_networks():
    code = "import sys, main; main.main(['models', 'list']); print('engine.estimator' in sys.modules)"
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert listed.stdout.splitlines()[-1] == "False"


def test_show_tells_the_network_and_where_its_weights_are(capsys):
    assert main.main(["models", "show", "xs"]) == 0
    text = capsys.readouterr().out
    assert "xs.safetensors" in text
    assert "coco-17 (17 joints)" in text
    assert checkpoints.load("xs").sha256 in text
    assert "AP, all" in text
    assert architecture.from_yaml(text[text.index("name: xs") :], "shown") == architecture.load("xs")


def test_an_imported_checkpoint_can_be_used_as_its_size(official, folder, capsys):
    assert main.main(["models", "import", str(official), "--size", "s"]) == 0
    assert "crowdpose-14" in capsys.readouterr().out
    assert checkpoints.load("s").skeleton.joint_count == 14
    assert main.main(["models", "list"]) == 0
    assert "imported" in capsys.readouterr().out.splitlines()[2]
    assert main.main(["models", "show", "s"]) == 0
    assert str(folder / "s.safetensors") in capsys.readouterr().out


def test_import_to_a_file(official, tmp_path, folder, capsys):
    output = tmp_path / "mine.safetensors"
    assert main.main(["models", "import", str(official), "--size", "s", "--joints", "14", "--output", str(output)]) == 0
    assert checkpoints.load(output).architecture.name == "s"
    assert not folder.exists()
    assert main.main(["models", "show", str(output)]) == 0
    assert "model_best.pth.tar" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["show", "xxl"], 1, "Unknown model size “xxl”"),
        (["show", "none.safetensors"], 1, "There is no file"),
        (["import", "none.pth", "--size", "s"], 1, "There is no file"),
        (["import", "OFFICIAL", "--size", "m"], 1, "They fit size s with 14 joints"),
        (["import", "OFFICIAL", "--size", "s", "--joints", "17"], 1, "They fit size s with 14 joints"),
        (["import", "OFFICIAL", "--size", "s", "--output", "a.bin"], 2, "named otherwise"),
    ],
)
def test_failures_are_one_line_on_the_error_output(official, capsys, arguments, code, said):
    arguments = [str(official) if word == "OFFICIAL" else word for word in arguments]
    assert main.main(["models", *arguments]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert said in captured.err


@pytest.fixture
def snapshots(tmp_path):
    """Three moments of a run, and the weights of another network."""
    network = architecture.parse({**SMALL, "name": "mine"}, "mine.yaml")
    files = [tmp_path / f"{number}.safetensors" for number in range(3)]
    for number, file in enumerate(files):
        one = checkpoints.synthetic(network, COCO_17, seed=number)
        checkpoints.save(replace(one, metadata={"views": str(1000 - number), "note": f"moment {number}"}), file)
    other = architecture.parse({**SMALL, "name": "mine", "stem": 16}, "other.yaml")
    checkpoints.save(checkpoints.synthetic(other, COCO_17, seed=0), tmp_path / "other.safetensors")
    return files


def test_average_writes_the_mean_of_all_weights(snapshots, tmp_path, capsys):
    output = tmp_path / "mean.safetensors"
    assert main.main(["models", "average", *map(str, snapshots), "--output", str(output)]) == 0
    assert "the mean of 3 files" in capsys.readouterr().out
    mean, parts = checkpoints.load(output), [checkpoints.load(file) for file in snapshots]
    assert mean.metadata["note"] == "moment 0"  # the one with most views
    for name, values in mean.tensors.items():
        expected = sum(part.tensors[name].astype(np.float64) for part in parts) / 3
        assert np.allclose(values, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("files", "output", "code", "said"),
    [
        (["0.safetensors"], "mean.safetensors", 2, "two or more"),
        (["0.safetensors", "other.safetensors"], "mean.safetensors", 1, "different networks"),
        (["0.safetensors", "none.safetensors"], "mean.safetensors", 1, "There is no file"),
        (["0.safetensors", "1.safetensors"], "mean.pt", 2, "named otherwise"),
    ],
)
def test_average_says_what_it_cannot_do(snapshots, tmp_path, capsys, files, output, code, said):
    paths = [str(tmp_path / file) for file in files]
    assert main.main(["models", "average", *paths, "--output", str(tmp_path / output)]) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / output).exists()


def test_a_network_of_ones_own_needs_a_place(official, tmp_path, capsys):
    own = tmp_path / "own.yaml"
    own.write_text(architecture.to_yaml(architecture.load("s")).replace("name: s", "name: own"))
    assert main.main(["models", "import", str(official), "--size", str(own)]) == 2
    assert "--output" in capsys.readouterr().err
    output = tmp_path / "own.safetensors"
    assert main.main(["models", "import", str(official), "--size", str(own), "--output", str(output)]) == 0
    assert checkpoints.load(output).architecture.name == "own"


@pytest.mark.parametrize(
    "arguments", [[], ["list", "more"], ["import", "a.pth"], ["import", "a.pth", "--size", "s", "--joints", "3"]]
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main.main(["models", *arguments])
    assert stopped.value.code == 2


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "some").mkdir(parents=True)
    for number, shape in enumerate([(90, 60), (60, 120)]):
        noise = np.random.default_rng(number).integers(0, 256, (*shape, 3), np.uint8)
        cv2.imwrite(str(folder / "some" / f"{number}.png"), noise)
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_calibration_writes_what_eight_bits_need(tmp_path, pictures, capsys):
    file = tmp_path / "mine.safetensors"
    network = architecture.parse({**SMALL, "name": "mine"}, "mine.yaml")
    checkpoints.save(checkpoints.synthetic(network, COCO_17, seed=1), file)
    with pytest.raises(WeightsError, match="not known for these weights"):
        checkpoints.load(file).activation_ranges()
    assert main.main(["models", "calibrate", str(file), "--pictures", str(pictures)]) == 0
    assert "from 2 pictures" in capsys.readouterr().out
    ranges = checkpoints.load(file).activation_ranges()
    blocks = [f"stage.{i}.{j}" for i, stage in enumerate(network.blocks()) for j in range(len(stage))]
    assert {f"{block}.{layer}.0" for block in blocks for layer in ("inv", "point_conv")} <= ranges.keys()
    assert all(low <= 0 <= high for low, high in ranges.values())
    assert ranges["stage.0.0.point_conv.0"][0] == 0  # behind a ReLU6
    assert 0 < ranges["stage.0.0.point_conv.0"][1] <= 6

    listed = tmp_path / "listed.json"
    listed.write_text(json.dumps({"images": [{"file_name": "some/1.png"}], "annotations": []}))
    arguments = ["models", "calibrate", str(file), "--pictures", str(pictures), "--annotations", str(listed)]
    assert main.main(arguments) == 0
    assert "from 1 pictures" in capsys.readouterr().out

    checkpoints.save(checkpoints.synthetic(network, COCO_17, seed=2), file)
    with pytest.raises(WeightsError, match=r"the weights have changed since.*models calibrate"):
        checkpoints.load(file).activation_ranges()
    file.with_suffix(".ranges.json").write_text("{")
    with pytest.raises(WeightsError, match=r"mine\.ranges\.json.*cannot be read"):
        checkpoints.load(file)


def test_calibration_needs_pictures(tmp_path, capsys):
    assert main.main(["models", "calibrate", "xs", "--pictures", str(tmp_path)]) == 2
    assert "There are no pictures in" in capsys.readouterr().err


@pytest.fixture
def labelled(tmp_path, pictures):
    """A network of random numbers, and labels that are the people whom it finds in noise."""
    file = tmp_path / "mine.safetensors"
    network = architecture.parse({**SMALL, "name": "mine"}, "mine.yaml")
    checkpoints.save(checkpoints.synthetic(network, COCO_17, seed=1), file)
    estimator = PoseEstimator.load(file, engine="torch", input_mode="96x96")
    estimator.settings = GroupingSettings(joint_threshold=0, min_joints=1, person_threshold=0, max_people=2)
    images, people = [], []
    for number in range(2):
        name = f"some/{number}.png"
        height, width = (image := cv2.imread(str(pictures / name))).shape[:2]
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for keypoints in estimator(image).keypoints:
            found = np.isfinite(keypoints[:, :1])
            flat = np.column_stack([np.where(found, keypoints, 0), 2 * found]).ravel().tolist()
            people.append({"id": len(people) + 1, "image_id": number, "category_id": 1, "keypoints": flat})
            people[-1] |= {"bbox": [0, 0, width, height], "num_keypoints": int(found.sum())}
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps({"images": images, "annotations": people}))
    return [str(file), "--annotations", str(labels), "--images", str(pictures), "--engine", "torch", "--input", "96x96"]


def test_weights_learn_how_sure_to_be_of_people(labelled, tmp_path, pictures, capsys):
    assert main.main(["models", "calibrate", labelled[0], "--pictures", str(pictures)]) == 0
    output = tmp_path / "sure.safetensors"
    assert main.main(["models", "fit-scorer", *labelled, "--output", str(output)]) == 0
    assert "from 2 pictures" in capsys.readouterr().out
    before, after = checkpoints.load(labelled[0]), checkpoints.load(output)
    assert after.sha256 == before.sha256
    assert after.activation_ranges() == before.activation_ranges()
    settings = GroupingSettings.from_metadata(after.metadata, COCO_17)
    assert settings.person_threshold == 0.2
    assert settings.scorer is not None
    assert main.main(["models", "show", str(output)]) == 0
    assert "scorer" not in capsys.readouterr().out


def test_fit_scorer_says_what_it_cannot_do(labelled, tmp_path, capsys):
    output = ["--output", str(tmp_path / "sure.safetensors")]
    assert main.main(["models", "fit-scorer", *labelled, *output, "--count", "0"]) == 2
    assert "--count must be at least 1" in capsys.readouterr().err
    assert main.main(["models", "fit-scorer", *labelled, *output, "--engine", "onnx"]) == 2
    assert "Choose one of tvm, torch" in capsys.readouterr().err
    assert main.main(["models", "fit-scorer", *labelled, "--output", "sure.pt"]) == 2
    assert "sure.pt" in capsys.readouterr().err
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps(json.loads(labels.read_text()) | {"annotations": []}))
    assert main.main(["models", "fit-scorer", *labelled, *output]) == 2
    assert "nothing to learn from" in capsys.readouterr().err
    assert not (tmp_path / "sure.safetensors").exists()
