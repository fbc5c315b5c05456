"""OpenCL on whatever device this machine has, PoCL's processor device included: the same maps and people as elsewhere."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from engine.compiler.gpu import presets
from engine.compiler.gpu.device import DeviceError
from engine.decode.peaks import find_candidates
from engine.estimator import PoseEstimator
from models.skeleton import CROWDPOSE_14
from tests.engine.compiler.gpu.gpu_networks import largest_error, opencl_device, opened, small


@pytest.fixture(scope="module", autouse=True)
def kept_binaries(shared_cache: Path) -> Iterator[None]:
    """PoCL and pyopencl keep what they compile with the networks, not in the user's own caches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POCL_CACHE_DIR", str(shared_cache / "pocl"))
        patch.setenv("XDG_CACHE_HOME", str(shared_cache / "drivers"))
        yield


@pytest.mark.parametrize(
    ("target", "changes"),
    [
        ("mali-opencl", {}),
        ("adreno-opencl", {"kernel": 5, "expansion": 1, "head_kernel": 9}),
        ("generic-opencl", {"fusion": False, "stem": 17, "head_kernel": 3}),
        ("generic-opencl", {"kernel": 7, "deconv": [64, 33, 8], "head_kernel": 7}),
    ],
)
def test_every_target_computes_what_pytorch_computes(target: str, changes: dict[str, object]) -> None:
    checkpoint = small(**changes)
    assert largest_error(opened(checkpoint, 96, 64, opencl_device(target)), checkpoint) < 1e-4


def test_crowdpose_has_fourteen_joints() -> None:
    checkpoint = small(CROWDPOSE_14)
    network = opened(checkpoint, 64, 96, opencl_device())
    assert largest_error(network, checkpoint) < 1e-4
    assert network.candidates(network.maps()).scores.shape == (14, 30)


@pytest.mark.parametrize("kind", ["smooth", "plateaus", "ties", "nothing", "borders", "falling"])
def test_the_decode_front_decides_like_numpy(kind: str) -> None:
    network = opened(small(), 96, 64, opencl_device())
    rng = np.random.default_rng(7)
    coarse = rng.normal(size=(34, 16, 24)).astype(np.float32)
    fine = rng.normal(size=(17, 32, 48)).astype(np.float32)
    if kind == "plateaus":  # few values, exact in binary, so that equal sums are equal to the bit
        coarse, fine = np.round(coarse * 0.7), np.round(fine * 0.7)
    elif kind == "ties":
        coarse[:17], fine[:] = 0, rng.integers(0, 2, fine.shape)
    elif kind == "nothing":
        coarse[:17], fine[:] = -1, -1
    elif kind == "borders":
        coarse[:17] = fine[:] = 0
        fine[:, 0, :], fine[:, :, -1] = 1, 2
    elif kind == "falling":  # fewer peaks than places
        coarse[:17] = fine[:] = 0
        fine[:, 5::9, 4::11] = np.arange(1, 13).reshape(3, 4)[None, :, :][:, : fine[:, 5::9].shape[1]]
    ours, theirs = network.candidates((coarse, fine)), find_candidates(coarse, fine)
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-6)
    found = theirs.scores > 0
    np.testing.assert_allclose(ours.xy[found], theirs.xy[found], atol=1e-3)
    np.testing.assert_allclose(ours.tags[found], theirs.tags[found], atol=1e-5)
    assert not ours.xy[~found].any()
    assert not ours.tags[~found].any()


def test_maps_that_somebody_holds_outlive_the_next_frame() -> None:
    """Whoever draws a heatmap reads it while the next frame is being computed."""
    network = opened(small(), 96, 64, opencl_device())
    network.picture[:] = 40
    early = network.maps()
    expected = np.array(np.from_dlpack(network.maps()[1]))
    network.picture[:] = 200
    for _ in range(3):
        network.maps()
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(lambda: np.array(np.from_dlpack(early[1]))).result()
    np.testing.assert_array_equal(late, expected)
    assert np.abs(np.from_dlpack(network.maps()[1]) - expected).max() > 0


def test_xs_finds_the_same_people_as_on_the_processor() -> None:
    choice = opencl_device()
    astronaut = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
    pictures = [astronaut, np.hstack([astronaut[:, ::-1], astronaut]), cv2.resize(astronaut, (400, 400))]
    processor, gpu = PoseEstimator.load("xs"), PoseEstimator.load("xs", device="opencl", target=choice.target.name)
    found = 0
    for picture in pictures:
        here, there = processor.estimate(picture), gpu.estimate(picture)
        for a, b in zip(here.maps, there.maps):
            a, b = np.from_dlpack(a), np.from_dlpack(b)
            assert np.abs(a - b).max() / np.ptp(a) < 1e-3
        assert len(here.poses) == len(there.poses)
        np.testing.assert_array_equal(here.poses.visible, there.poses.visible)
        seen = here.poses.visible
        found += int(seen.sum())
        assert np.abs(here.poses.keypoints[seen] - there.poses.keypoints[seen]).max() < 0.5
        np.testing.assert_allclose(here.poses.scores, there.poses.scores, atol=1e-3)
    assert found > 15


def test_what_the_driver_does_not_take_is_said() -> None:
    with pytest.raises(DeviceError, match=r"does not take the kernels: .*nowhere"):
        opencl_device().device.load(b"__kernel void k(__global float* x) { x[0] = nowhere; }")


def test_every_preset_is_whole() -> None:
    assert {"mali-opencl", "adreno-opencl", "cuda"} <= set(presets.available())
    for name in presets.available():
        target = presets.load(name)
        assert target.kind in ("opencl", "cuda")
        assert target.description
        assert target.work_group & (target.work_group - 1) == 0
        assert target.registers >= 10
