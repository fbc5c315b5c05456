"""Picture in, people out: the compiled path against the reference path, with the weights that ship."""

import gc
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from engine import assignment
from engine.decode.grouping import GroupingSettings
from engine.errors import UsageError, WeightsError
from engine.estimator import PoseEstimator
from models import architecture, checkpoints
from models.skeleton import COCO_17
from tests.engine.test_models_command import SMALL

Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def compiled() -> PoseEstimator:
    return PoseEstimator.load("xs")


@pytest.fixture(scope="module")
def reference() -> PoseEstimator:
    return PoseEstimator.load("xs", engine="torch")


def views() -> list[Image]:
    """Twenty real pictures: two photographs of people, cropped, mirrored, turned, darkened, side by side. They are of three
    shapes only, since each is a network to build."""
    astronaut = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
    cameraman = cv2.cvtColor(data.camera(), cv2.COLOR_GRAY2BGR)
    pictures: list[Image] = []
    for photograph in (astronaut, cameraman):
        h, w = photograph.shape[:2]
        pictures += [
            photograph,
            photograph[:, ::-1],
            photograph[: h * 9 // 16],
            photograph[h // 8 : h * 7 // 8, w // 8 : w * 7 // 8],
            photograph[h // 8 : h * 3 // 4, w // 8 : w * 3 // 4],
            cv2.resize(photograph, (640, 480)),
            cv2.resize(photograph, (320, 180)),
            cv2.convertScaleAbs(photograph, alpha=0.6),
            cv2.GaussianBlur(photograph, (0, 0), 1.5),
        ]
    pictures.append(np.hstack([astronaut, cameraman]))
    pictures.append(np.hstack([cameraman[:, ::-1], astronaut[:, ::-1]]))
    return [np.ascontiguousarray(picture).astype(np.uint8) for picture in pictures]


def test_the_compiled_path_finds_what_pytorch_finds(compiled: PoseEstimator, reference: PoseEstimator) -> None:
    pictures = views()
    assert len(pictures) == 20
    found = 0
    for number, picture in enumerate(pictures):
        ours, theirs = compiled.estimate(picture), reference.estimate(picture)
        for a, b in zip(ours.maps, theirs.maps):
            error = np.abs(np.from_dlpack(a) - b).max() / np.ptp(b)
            assert error < 1e-3, f"picture {number}: maps differ by {error}"
        assert len(ours.poses) == len(theirs.poses), f"picture {number}"
        threshold = reference.settings.joint_threshold
        near = np.minimum(np.abs(ours.poses.scores - threshold), np.abs(theirs.poses.scores - threshold)) < 1e-3
        same = ours.poses.visible == theirs.poses.visible
        assert (same | near).all(), f"picture {number}"
        both = ours.poses.visible & theirs.poses.visible
        if both.any():
            found += int(both.sum())
            distance = np.abs(ours.poses.keypoints[both] - theirs.poses.keypoints[both]).max()
            assert distance < 0.5, f"picture {number}: a joint is {distance} px off"
            assert np.abs(ours.poses.scores[both] - theirs.poses.scores[both]).max() < 1e-3
    assert found > 50


@pytest.mark.parametrize("shape", [(1, 1), (10, 10000), (10000, 10), (3, 500), (64, 64)])
def test_odd_shapes_are_no_trouble(compiled: PoseEstimator, shape: tuple[int, int]) -> None:
    poses = compiled(np.zeros((*shape, 3), np.uint8))
    assert poses.keypoints.shape[1:] == (17, 2)


def test_a_change_of_size_on_the_way_leaves_no_trace(compiled: PoseEstimator) -> None:
    """The padding of one picture must not show in the next one's input."""
    picture = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
    before = compiled(picture)
    compiled(np.full((500, 480, 3), 255, np.uint8))
    after = compiled(picture)
    np.testing.assert_array_equal(before.keypoints, after.keypoints)


def test_times_and_places_are_reported(compiled: PoseEstimator) -> None:
    estimate = compiled.estimate(np.zeros((720, 1280, 3), np.uint8))
    assert list(estimate.times.ms) == ["resize", "network", "decode", "grouping"]
    assert all(ms > 0 for ms in estimate.times.ms.values())
    assert estimate.placement.source == (1280, 720)


def test_settings_of_the_caller_win(compiled: PoseEstimator) -> None:
    strict = PoseEstimator.load("xs", settings=GroupingSettings(joint_threshold=5.0))
    assert len(strict(np.ascontiguousarray(data.astronaut()[:, :, ::-1]))) == 0


def test_nothing_is_left_for_the_first_frame_to_load(compiled: PoseEstimator) -> None:
    assignment._solver.cache_clear()
    PoseEstimator.load("xs").prepare(512, 512)
    loaded = assignment._solver.cache_info().misses
    assert len(compiled(np.ascontiguousarray(data.astronaut()[:, :, ::-1]))) == 1
    assert assignment._solver.cache_info().misses == loaded == 1
    assert assignment._solver.cache_info().hits > 0


def test_whether_a_build_is_needed_can_be_asked_without_building(tmp_path: Path, monkeypatch) -> None:
    small = architecture.parse({**SMALL, "name": "mine"}, "mine.yaml")
    weights, cache, other = tmp_path / "mine.safetensors", tmp_path / "cache", tmp_path / "other"
    checkpoints.save(checkpoints.synthetic(small, COCO_17, seed=1), weights)
    steps: list[str] = []

    def load() -> PoseEstimator:
        return PoseEstimator.load(weights, input_mode="64x96", progress=steps.append)

    cache.mkdir()
    monkeypatch.setenv("LITEPOSE_CACHE", str(cache))
    built = load()
    assert not built.prepare_if_built(96, 64)
    assert steps == []
    assert not list(cache.iterdir())
    built.prepare(96, 64)
    assert steps
    assert built.prepare_if_built(96, 64)
    assert load().prepare_if_built(96, 64)
    monkeypatch.setenv("LITEPOSE_CACHE", str(other))
    assert not load().prepare_if_built(96, 64)
    # What is open already needs no cache.
    assert built.prepare_if_built(96, 64)


def test_what_does_not_exist_is_named() -> None:
    with pytest.raises(UsageError, match="onnx"):
        PoseEstimator.load("xs", engine="onnx")
    with pytest.raises(UsageError, match="oblong"):
        PoseEstimator.load("xs", input_mode="oblong")
    with pytest.raises(WeightsError, match="train"):
        PoseEstimator.load("l")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="what a process has loaded is known on Linux only")
def test_a_network_that_nobody_uses_any_more_is_unloaded_and_its_results_stay() -> None:
    def loaded() -> int:
        return Path("/proc/self/maps").read_text(encoding="utf-8").count("network.so")

    gc.collect()
    before = loaded()
    # A shape that no other test of this process has loaded.
    estimator = PoseEstimator.load("xs", input_mode="64x96")
    estimate = estimator.estimate(np.ascontiguousarray(data.astronaut()[:, :, ::-1]))
    peak = float(np.from_dlpack(estimate.maps[1]).max())
    assert loaded() > before
    del estimator
    gc.collect()
    assert loaded() == before
    assert float(np.from_dlpack(estimate.maps[1]).max()) == peak
