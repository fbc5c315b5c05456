"""The compiled network against PyTorch and the decode front against NumPy, for every kind of network that YAML can say."""

import gc
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from engine.compiler import artifacts, targets
from engine.compiler.library import Artifact
from engine.compiler.runtime import CompiledNetwork, aligned
from engine.decode.peaks import find_candidates
from models import architecture, checkpoints
from models.checkpoints import Checkpoint
from models.reference import ReferenceNetwork
from models.skeleton import COCO_17, CROWDPOSE_14, Skeleton
from tests.soak.memory import used_mib

SMALL = {
    "resolution": 64,
    "stem": 8,
    "kernel": 3,
    "stages": [
        {"width": 8, "depth": 2, "stride": 2},
        {"width": 12, "depth": 1, "stride": 2, "kernel": 5, "expansion": 3},
        {"width": 20, "depth": 1, "stride": 2, "kernel": 9, "expansion": 2},
        {"width": 24, "depth": 1, "stride": 1, "kernel": 7, "expansion": 4},
    ],
    "deconv": [12, 24, 20],
}


def small(skeleton: Skeleton = COCO_17, **changes: object) -> Checkpoint:
    return checkpoints.synthetic(architecture.parse({**SMALL, **changes}, "small.yaml"), skeleton, seed=3)


def obtain(
    checkpoint: Checkpoint,
    width: int,
    height: int,
    *,
    lanes: int | None = None,
    threads: int = 2,
    cache_kib: int = 1024,
) -> Artifact:
    target = replace(targets.load(threads=threads), cache_kib=(32, cache_kib, 4096))
    if lanes:
        target = replace(target, lanes=lanes)
    return artifacts.obtain(checkpoint, height, width, target)


def compiled(checkpoint: Checkpoint, width: int, height: int, *, threads: int = 2, **more: int) -> CompiledNetwork:
    return CompiledNetwork(obtain(checkpoint, width, height, threads=threads, **more), threads=threads)


def largest_error(network: CompiledNetwork, checkpoint: Checkpoint, seed: int = 0) -> float:
    """Relative to the range of PyTorch's maps."""
    shape = network.picture.shape
    network.picture[:] = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    ours = [np.from_dlpack(maps) for maps in network.maps()]
    theirs = ReferenceNetwork(checkpoint).maps(network.picture)
    assert [a.shape for a in ours] == [b.shape for b in theirs]
    return max(float(np.abs(a - b).max() / np.ptp(b)) for a, b in zip(ours, theirs))


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_every_vector_width_computes_what_pytorch_computes(lanes: int) -> None:
    checkpoint = small()
    assert largest_error(compiled(checkpoint, 96, 64, lanes=lanes), checkpoint) < 1e-4


@pytest.mark.parametrize("threads", [1, 3])  # everywhere else there are two
@pytest.mark.parametrize("cache_kib", [1, 4096], ids=["two kernels", "one kernel"])
def test_bottlenecks_in_one_kernel_or_two_compute_what_pytorch_computes(threads: int, cache_kib: int) -> None:
    checkpoint = small(kernel=7)
    network = compiled(checkpoint, 192, 352, threads=threads, cache_kib=cache_kib)
    assert largest_error(network, checkpoint) < 1e-4


@pytest.mark.parametrize(
    "changes",
    [
        {"fusion": False},
        {"kernel": 9, "head_kernel": 3, "stem": 17},
        {"kernel": 5, "expansion": 1, "head_kernel": 9},
        {"kernel": 7, "deconv": [64, 33, 8], "head_kernel": 7},
    ],
)
def test_a_searched_network_is_one_more_yaml(changes: dict[str, object]) -> None:
    checkpoint = small(**changes)
    assert largest_error(compiled(checkpoint, 64, 96), checkpoint) < 1e-4


@pytest.mark.parametrize(("changes", "size"), [({}, (96, 64)), ({"fusion": False}, (64, 96))])
def test_no_kernel_touches_what_is_not_its_own(
    changes: dict[str, object], size: tuple[int, int], stays_inside: Callable[[Artifact], None]
) -> None:
    """Nor does it read there what it does not use: where memory ends, that alone would end the program."""
    stays_inside(obtain(small(**changes), *size))


@pytest.mark.parametrize("cache_kib", [1, 4096], ids=["two kernels", "one kernel"])
def test_nor_do_larger_maps_lead_a_kernel_outside(cache_kib: int, stays_inside: Callable[[Artifact], None]) -> None:
    stays_inside(obtain(small(kernel=7), 192, 352, threads=3, cache_kib=cache_kib))


def test_crowdpose_has_fourteen_joints() -> None:
    checkpoint = small(CROWDPOSE_14)
    network = compiled(checkpoint, 64, 64)
    assert largest_error(network, checkpoint) < 1e-4
    assert network.candidates(network.maps()).scores.shape == (14, 30)


@pytest.mark.skipif(math.isnan(used_mib()), reason="this C library does not say what it has handed out")
def test_a_network_that_nobody_has_any_more_leaves_no_memory_behind() -> None:
    def run() -> tuple[float, float]:
        """What is in use while the network runs, and after it."""
        network = compiled(small(kernel=7), 192, 352, threads=3, cache_kib=4096)
        network.candidates(network.maps())
        running = used_mib()
        del network
        gc.collect()
        return running, used_mib()

    _, before = run()  # TVM and this thread keep something for good
    running, after = run()
    assert running > before + 1
    assert after < before + 0.2 * (running - before)


def test_the_border_is_padded_as_the_network_was_trained() -> None:
    """Normalisation is folded into the first layer, whose zero padding then stands for the mean colour."""
    checkpoint = small()
    network = compiled(checkpoint, 96, 64)
    network.picture[:] = 255
    ours, theirs = np.from_dlpack(network.maps()[0]), ReferenceNetwork(checkpoint).maps(network.picture)[0]
    edge = np.abs(ours - theirs)[:, [0, -1]].max()
    assert edge < 1e-4 * np.ptp(theirs)


def as_tensors(network: CompiledNetwork, *maps: np.ndarray) -> tuple[object, object]:
    import tvm_ffi

    placed = []
    for array in maps:
        copy = aligned(array.shape, np.float32)
        copy[:] = array
        placed.append(tvm_ffi.from_dlpack(copy))
    return placed[0], placed[1]


@pytest.mark.parametrize("kind", ["smooth", "plateaus", "ties", "nothing", "borders"])
def test_the_decode_front_decides_like_numpy(kind: str) -> None:
    network = compiled(small(), 96, 64)
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
    ours = network.candidates(as_tensors(network, coarse, fine))
    theirs = find_candidates(coarse.astype(np.float32), fine.astype(np.float32))
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-6)
    found = theirs.scores > 0
    np.testing.assert_allclose(ours.xy[found], theirs.xy[found], atol=1e-3)
    np.testing.assert_allclose(ours.tags[found], theirs.tags[found], atol=1e-5)
    assert not ours.xy[~found].any()
    assert not ours.tags[~found].any()


def test_another_thread_gets_the_same_result() -> None:
    """TVM keeps workers for every thread that runs a network; results must not depend on which one it is."""
    network = compiled(small(), 96, 64)
    network.picture[:] = 77
    here = np.from_dlpack(network.maps()[0]).copy()
    with ThreadPoolExecutor(1) as pool:
        there = pool.submit(lambda: np.from_dlpack(network.maps()[0]).copy()).result()
    np.testing.assert_array_equal(here, there)


def test_half_precision_differs_by_its_rounding_alone() -> None:
    """LLVM computes halves by way of floats where a core has no arithmetic for them: slowly, with the same results."""
    checkpoint = small()
    target = replace(targets.load(threads=2), half_lanes=8, precision="fp16")
    network = CompiledNetwork(artifacts.obtain(checkpoint, 64, 96, target), threads=2)
    error = largest_error(network, checkpoint)
    assert 1e-5 < error < 0.02
    assert network.candidates(network.maps()).scores.dtype == np.float32
