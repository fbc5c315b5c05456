import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from models import architecture, checkpoints, manifest
from models.errors import ArchitectureError, WeightsError
from models.skeleton import COCO_17, CROWDPOSE_14


def write(path, tensors, **metadata):
    save_file(tensors, path, {key: str(value) for key, value in metadata.items()})
    return path


@pytest.fixture
def described(tiny):
    """Metadata of the small network."""
    return {"joints": 17, "skeleton": "coco-17", "architecture": architecture.to_yaml(tiny)}


def test_a_size_loads_our_weights():
    checkpoint = checkpoints.load("xs")
    assert checkpoint.architecture == architecture.load("xs")
    assert checkpoint.skeleton is COCO_17
    assert {tensor.dtype for tensor in checkpoint.tensors.values()} == {np.dtype(np.float32)}
    assert list(checkpoint.tensors) == list(checkpoints.expected_shapes(checkpoint.architecture, 17))


def test_a_path_loads_the_same(tmp_path):
    copy = tmp_path / "mine.safetensors"
    copy.write_bytes(manifest.read()["xs"].path.read_bytes())
    for path in (copy, str(copy)):
        assert checkpoints.load(path).sha256 == checkpoints.load("xs").sha256


def test_loading_weights_needs_no_torch():
    code = (
        "import sys; from models import architecture, checkpoints, complexity, publish; from models.skeleton import COCO_17;"
        "checkpoints.load('xs'); assert 'torch' not in sys.modules"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_saving_keeps_a_searched_network(tiny_checkpoint, saved):
    loaded = checkpoints.load(saved(tiny_checkpoint))
    assert loaded.architecture == tiny_checkpoint.architecture
    assert loaded.skeleton is tiny_checkpoint.skeleton
    assert loaded.sha256 == tiny_checkpoint.sha256
    assert loaded.metadata["data"] == "random numbers, seed 1"


def test_saving_is_in_half_precision_where_that_is_enough(tiny_checkpoint, saved):
    tensors = {name: tensor.copy() for name, tensor in tiny_checkpoint.tensors.items()}
    tensors["first.0.1.running_var"][:] = 1e6
    path = saved(dataclasses.replace(tiny_checkpoint, tensors=tensors))
    numbers = sum(tensor.size for tensor in tensors.values())
    assert path.stat().st_size < 2 * numbers + 40_000
    assert (checkpoints.load(path).tensors["first.0.1.running_var"] == 1e6).all()


def test_identity_depends_on_every_value(tiny_checkpoint, saved):
    tensors = {name: tensor.copy() for name, tensor in tiny_checkpoint.tensors.items()}
    tensors["first.3.bias"][0] += 1
    assert checkpoints.load(saved(dataclasses.replace(tiny_checkpoint, tensors=tensors))).sha256 != (
        tiny_checkpoint.sha256
    )


def test_identity_does_not_depend_on_metadata_or_file(tiny_checkpoint, saved):
    other = dataclasses.replace(tiny_checkpoint, metadata={"note": "another"})
    assert checkpoints.load(saved(other)).sha256 == tiny_checkpoint.sha256


@pytest.mark.parametrize("size", ["s", "m", "l"])
def test_a_size_without_weights_says_how_to_get_them(size, monkeypatch):
    monkeypatch.setattr(manifest, "read", lambda folder: {})
    with pytest.raises(WeightsError, match=rf"no weights for size {size}.*main\.py train.*main\.py models import"):
        checkpoints.load(size)


def test_an_unknown_size_lists_the_known_ones():
    with pytest.raises(ArchitectureError, match="xs, s, m, l"):
        checkpoints.load("xxl")


def test_an_official_file_is_sent_to_import():
    with pytest.raises(WeightsError, match="Import it first"):
        checkpoints.load("coco-xs.pth.tar")


def test_imported_weights_come_before_ours(no_imported_weights):
    random = checkpoints.synthetic(architecture.load("xs"), CROWDPOSE_14, seed=0)
    checkpoints.save(random, no_imported_weights / "xs.safetensors")
    assert checkpoints.load("xs").sha256 == random.sha256


def test_an_imported_file_of_another_network_is_refused(no_imported_weights, tiny_checkpoint):
    checkpoints.save(tiny_checkpoint, no_imported_weights / "xs.safetensors")
    with pytest.raises(WeightsError, match="holds another network, tiny"):
        checkpoints.load("xs")


def test_weights_that_are_not_those_of_the_manifest_are_refused(monkeypatch):
    listed = dataclasses.replace(manifest.read()["xs"], sha256="0" * 64)
    monkeypatch.setattr(manifest, "read", lambda folder: {"xs": listed})
    with pytest.raises(WeightsError, match="not the file that the manifest lists"):
        checkpoints.load("xs")


def test_wrong_shapes_name_the_key_and_the_network_that_fits(tmp_path):
    tensors = checkpoints.load("xs").tensors
    path = write(tmp_path / "a.safetensors", tensors, size="m")
    with pytest.raises(WeightsError) as error:
        checkpoints.load(path)
    assert "do not fit size m with 17 joints" in str(error.value)
    assert "“stage.0.0.point_conv.0.weight” should be (24, 96, 1, 1) and is (16, 96, 1, 1)" in str(error.value)
    assert str(error.value).endswith("They fit size xs with 17 joints.")


def test_a_wrong_number_of_joints_is_told(tmp_path, tiny_checkpoint, described):
    described |= {"joints": 14, "skeleton": "crowdpose-14"}
    path = write(tmp_path / "a.safetensors", tiny_checkpoint.tensors, **described)
    with pytest.raises(WeightsError, match=r"final_refined.0.conv.3.weight” should be \(28, 12, 1, 1\) and is \(34"):
        checkpoints.load(path)


def test_missing_and_unknown_keys_are_named(tmp_path, tiny_checkpoint, described):
    tensors = dict(tiny_checkpoint.tensors)
    tensors["second.weight"] = tensors.pop("first.2.weight")
    path = write(tmp_path / "a.safetensors", tensors, **described)
    with pytest.raises(WeightsError, match=r"“first\.2\.weight” .* is missing \(and 1 more"):
        checkpoints.load(path)
    path = write(tmp_path / "b.safetensors", {**tiny_checkpoint.tensors, "extra": np.zeros(3, np.float32)}, **described)
    with pytest.raises(WeightsError, match=r"“extra” \(3,\) belongs to no part of it"):
        checkpoints.load(path)


def test_counters_of_batches_are_ignored(tmp_path, tiny_checkpoint, described):
    tensors = tiny_checkpoint.tensors | {"first.3.num_batches_tracked": np.zeros((), np.int64)}
    path = write(tmp_path / "a.safetensors", tensors, **described)
    assert checkpoints.load(path).sha256 == tiny_checkpoint.sha256


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("first.3.bias", np.nan, "not finite"), ("first.3.running_var", -1.0, "negative variances")],
)
def test_impossible_values_are_refused(tmp_path, tiny_checkpoint, described, name, value, said):
    tensors = tiny_checkpoint.tensors | {name: np.full(8, value, np.float32)}
    path = write(tmp_path / "a.safetensors", tensors, **described)
    with pytest.raises(WeightsError, match=f"“{name}” has.*{said}"):
        checkpoints.load(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"joints": "many"}, "wrong metadata"),
        ({"joints": 14}, "14 joints, but coco-17 has 17"),
        ({"skeleton": "octopus-8"}, "Unknown skeleton “octopus-8”"),
        ({"architecture": "{"}, "not valid YAML"),
        ({"architecture": None}, "do not say which network"),
        ({"architecture": None, "size": "xxl"}, "Unknown model size “xxl”"),
    ],
)
def test_wrong_metadata_is_told(tmp_path, tiny_checkpoint, described, change, said):
    metadata = {key: value for key, value in (described | change).items() if value is not None}
    path = write(tmp_path / "a.safetensors", tiny_checkpoint.tensors, **metadata)
    with pytest.raises(WeightsError, match=said):
        checkpoints.load(path)


def test_joints_and_skeleton_can_be_left_out(tmp_path, tiny_checkpoint, described):
    path = write(tmp_path / "a.safetensors", tiny_checkpoint.tensors, architecture=described["architecture"])
    assert checkpoints.load(path).skeleton is COCO_17


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 9, 100, 5_000, 20_000, -1])
def test_truncated_files_are_told(tiny_checkpoint, saved, kept):
    path = saved(tiny_checkpoint)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(WeightsError, match="damaged"):
        checkpoints.load(path)


def test_garbage_is_told(tmp_path):
    path = tmp_path / "a.safetensors"
    for seed in range(20):
        path.write_bytes(np.random.default_rng(seed).bytes(1000))
        with pytest.raises(WeightsError, match="damaged"):
            checkpoints.load(path)


def test_a_damaged_header_never_escapes_as_another_error(tiny_checkpoint, saved):
    path = saved(tiny_checkpoint)
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(whole)
        data[int(random.integers(8, 3000))] = int(random.integers(32, 127))
        path.write_bytes(data)
        try:
            checkpoints.load(path)
        except WeightsError:
            continue


def test_missing_files_and_folders_are_told(tmp_path):
    with pytest.raises(WeightsError, match="There is no file"):
        checkpoints.load(tmp_path / "none.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(WeightsError, match=r"folder\.safetensors"):
        checkpoints.load(tmp_path / "folder.safetensors")


def test_saving_where_nothing_can_be_written_is_told(tmp_path, tiny_checkpoint):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WeightsError, match="Cannot write"):
        checkpoints.save(tiny_checkpoint, tmp_path / "file" / "a.safetensors")
