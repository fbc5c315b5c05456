"""Checkpoints in the forms that the official repository and its users leave behind."""

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from models import architecture, checkpoints
from models.errors import WeightsError
from models.litepose import LitePose
from models.reference import ReferenceNetwork
from models.skeleton import COCO_17, CROWDPOSE_14


@pytest.fixture
def network(tiny):
    torch.manual_seed(0)
    network = LitePose(tiny, 17)
    for module in network.modules():  # as after some training
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


@pytest.fixture
def yaml_file(tiny, tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(architecture.to_yaml(tiny))
    return path


@pytest.mark.parametrize("prefix", ["", "module.", "1.", "module.1.", "1.module.", "module.module."])
@pytest.mark.parametrize("nested", [False, True])
def test_an_imported_network_gives_identical_maps(network, yaml_file, tmp_path, prefix, nested):
    state = {prefix + name: tensor for name, tensor in network.state_dict().items()}
    path = tmp_path / "model_best.pth.tar"
    torch.save({"epoch": 499, "state_dict": state, "perf": 0.406} if nested else state, path)
    picture = np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)
    reference = ReferenceNetwork(checkpoints.import_official(path, yaml_file))
    with torch.no_grad():
        rgb = torch.tensor(picture[..., ::-1].copy(), dtype=torch.float32).permute(2, 0, 1)[None]
        expected = network((rgb - reference._mean) / reference._deviation)
    for found, wanted in zip(reference.maps(picture), expected):
        np.testing.assert_array_equal(found, wanted[0].numpy())


def test_import_save_load_keeps_the_network(network, yaml_file, tmp_path):
    torch.save(network.state_dict(), tmp_path / "a.pth")
    imported = checkpoints.import_official(tmp_path / "a.pth", yaml_file, 17)
    checkpoints.save(imported, tmp_path / "a.safetensors")
    loaded = checkpoints.load(tmp_path / "a.safetensors")
    assert loaded.architecture == imported.architecture
    assert loaded.metadata["data"] == "imported from the official checkpoint a.pth"
    for name, tensor in imported.tensors.items():
        np.testing.assert_allclose(loaded.tensors[name], tensor, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("joints", "skeleton"), [(17, COCO_17), (14, CROWDPOSE_14)])
def test_the_joints_are_those_of_the_file(tiny, yaml_file, tmp_path, joints, skeleton):
    torch.save(LitePose(tiny, joints).state_dict(), tmp_path / "a.pth")
    assert checkpoints.import_official(tmp_path / "a.pth", yaml_file).skeleton is skeleton


def test_half_precision_and_the_old_file_format_are_read(network, yaml_file, tmp_path):
    torch.save(network.half().state_dict(), tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    assert checkpoints.import_official(tmp_path / "a.pth", yaml_file).tensors["first.3.bias"].dtype == np.float32


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64])
def test_scores_stored_as_numpy_numbers_do_not_stand_in_the_way(network, yaml_file, tmp_path, kind):
    path = tmp_path / "a.pth.tar"
    torch.save({"state_dict": network.state_dict(), "perf": kind(1)}, path)
    checkpoints.import_official(path, yaml_file)
    older = tmp_path / "older.pth.tar"  # NumPy 1 wrote another module's name
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(older, "w") as target:
        for item in source.infolist():
            data = source.read(item)
            if item.filename.endswith("data.pkl"):
                assert b"numpy._core" in data
                data = data.replace(b"numpy._core", b"numpy.core")
            target.writestr(item, data)
    checkpoints.import_official(older, yaml_file)


def test_the_wrong_number_of_joints_is_told(network, yaml_file, tmp_path):
    torch.save(network.state_dict(), tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"do not fit size tiny with 14 joints.*\(28, 12, 1, 1\) and is \(34, 12"):
        checkpoints.import_official(tmp_path / "a.pth", yaml_file, 14)


def test_the_wrong_size_is_told(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"do not fit size xs with 17 joints: “first\.2\.weight” should be \(16, 32"):
        checkpoints.import_official(tmp_path / "a.pth", "xs")


def test_a_number_of_joints_without_skeleton_is_told(tiny, yaml_file, tmp_path):
    torch.save(LitePose(tiny, 21).state_dict(), tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="No skeleton has 21 joints"):
        checkpoints.import_official(tmp_path / "a.pth", yaml_file)


class Intruder:
    """Its pickle runs a command when it is loaded without care."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch '{self.mark}'",)


def test_code_in_a_checkpoint_is_refused_and_not_run(network, yaml_file, tmp_path):
    mark = tmp_path / "was here"
    torch.save({"state_dict": network.state_dict(), "extra": Intruder(mark)}, tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(pickle.dumps(Intruder(mark), protocol=2))
    for name in ("a.pth", "b.pth"):
        with pytest.raises(WeightsError, match=r"needs code to be loaded \(posix\.system\).*refused"):
            checkpoints.import_official(tmp_path / name, yaml_file)
    assert not mark.exists()


@pytest.mark.parametrize("kept", [0, 1, 100, 3000, -30])
@pytest.mark.parametrize("zipped", [True, False])
def test_truncated_files_are_told(network, yaml_file, tmp_path, kept, zipped):
    path = tmp_path / "a.pth"
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(WeightsError, match="damaged or no PyTorch checkpoint"):
        checkpoints.import_official(path, yaml_file)


def test_garbage_is_told(yaml_file, tmp_path):
    path = tmp_path / "a.pth"
    for seed in range(20):
        path.write_bytes(np.random.default_rng(seed).bytes(500))
        with pytest.raises(WeightsError):
            checkpoints.import_official(path, yaml_file)
    with pytest.raises(WeightsError, match="There is no file"):
        checkpoints.import_official(tmp_path / "none.pth", yaml_file)


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": {"a": 1}}, {"epoch": 3}, torch.zeros(3), {}])
def test_other_contents_are_told(yaml_file, tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"holds no state_dict|no LitePose network"):
        checkpoints.import_official(tmp_path / "a.pth", yaml_file)
