"""The peaks that are found, against a slow and obvious reading of the specification."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.decode.peaks import double, find_candidates, mean_heatmaps


def slow_candidates(maps4: NDArray, maps2: NDArray, count: int) -> tuple[list[list[tuple[float, ...]]], NDArray]:
    """Per joint (x, y, score, tag) of the best peaks, pixel by pixel."""
    joints, height, width = maps2.shape
    heat = mean_heatmaps(maps4[:joints], maps2)
    result = []
    for j in range(joints):
        found = []
        for y in range(height):
            for x in range(width):
                value = heat[j, y, x]
                window = [
                    (v, u)
                    for v in range(max(0, y - 2), min(height, y + 3))
                    for u in range(max(0, x - 2), min(width, x + 3))
                ]
                if value <= 0 or any(heat[j, v, u] > value for v, u in window):
                    continue
                if any(heat[j, v, u] == value and (v, u) < (y, x) for v, u in window):
                    continue
                found.append((-value, y * width + x))
        joint_result = []
        for negative, flat in sorted(found)[:count]:
            y, x = divmod(flat, width)
            dx = slow_offset(heat[j, y, x - 1 : x + 2]) if 0 < x < width - 1 else 0.0
            dy = slow_offset(heat[j, y - 1 : y + 2, x]) if 0 < y < height - 1 else 0.0
            tag = slow_sample(maps4[joints + j], (x + 0.5) / 2 - 0.5, (y + 0.5) / 2 - 0.5)
            joint_result.append(((x + dx + 0.5) * 2 - 0.5, (y + dy + 0.5) * 2 - 0.5, -negative, tag))
        result.append(joint_result)
    return result, heat


def slow_offset(three: NDArray) -> float:
    low, centre, high = (float(value) for value in three)
    curve = low - 2 * centre + high
    return float(np.clip(0.5 * (low - high) / curve, -0.5, 0.5)) if curve < 0 else 0.0


def slow_sample(image: NDArray, x: float, y: float) -> float:
    height, width = image.shape
    x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
    total = 0.0
    for v in range(height):
        for u in range(width):
            total += float(image[v, u]) * max(0.0, 1 - abs(x - u)) * max(0.0, 1 - abs(y - v))
    return total


def check(maps4: NDArray, maps2: NDArray, count: int) -> None:
    candidates = find_candidates(maps4, maps2, count)
    expected, _ = slow_candidates(maps4, maps2, count)
    for j, peaks in enumerate(expected):
        found = len(peaks)
        assert np.count_nonzero(candidates.scores[j]) == found
        for k, (x, y, score, tag) in enumerate(peaks):
            assert candidates.xy[j, k] == pytest.approx((x, y), abs=2e-3)
            assert candidates.scores[j, k] == pytest.approx(score, abs=1e-6)
            assert candidates.tags[j, k] == pytest.approx(tag, abs=1e-4)
        assert not candidates.xy[j, found:].any()
        assert not candidates.tags[j, found:].any()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    levels=st.sampled_from([2, 3, 5, 1000]),  # few levels make plateaus and ties
    count=st.integers(1, 12),
)
def test_agrees_with_slow_reference(seed: int, height: int, width: int, levels: int, count: int) -> None:
    random = np.random.default_rng(seed)
    maps4 = (random.integers(-1, levels, (4, height, width)) / levels).astype(np.float32)
    maps2 = (random.integers(-1, levels, (2, 2 * height, 2 * width)) / levels).astype(np.float32)
    check(maps4, maps2, count)


def test_constant_map_has_its_first_pixel_of_each_window_only() -> None:
    maps4, maps2 = np.ones((2, 4, 4), np.float32), np.ones((1, 8, 8), np.float32)
    candidates = find_candidates(maps4, maps2, 5)
    assert np.count_nonzero(candidates.scores) == 1
    assert candidates.xy[0, 0] == pytest.approx((0.5, 0.5))


def test_nothing_above_zero_gives_empty_slots() -> None:
    candidates = find_candidates(np.zeros((2, 4, 4), np.float32), -np.ones((1, 8, 8), np.float32), 3)
    assert not candidates.scores.any()
    assert not candidates.xy.any()
    assert not candidates.tags.any()


def test_gaussian_is_found_where_it_lies() -> None:
    """A joint at a fractional place is recovered to a fraction of a pixel of the input."""
    x, y = 37.3, 22.8  # input pixels
    rows, columns = np.mgrid[:32, :32]
    heat4 = np.exp(-(((columns + 0.5) * 4 - 0.5 - x) ** 2 + ((rows + 0.5) * 4 - 0.5 - y) ** 2) / (2 * 64))
    rows, columns = np.mgrid[:64, :64]
    heat2 = np.exp(-(((columns + 0.5) * 2 - 0.5 - x) ** 2 + ((rows + 0.5) * 2 - 0.5 - y) ** 2) / (2 * 16))
    maps4 = np.stack([heat4, np.full_like(heat4, 1.5)]).astype(np.float32)
    candidates = find_candidates(maps4, heat2[None].astype(np.float32))
    assert candidates.xy[0, 0] == pytest.approx((x, y), abs=0.3)
    assert candidates.tags[0, 0] == pytest.approx(1.5)


def test_doubling_keeps_a_ramp_straight() -> None:
    ramp = np.arange(6, dtype=np.float32)[None, None].repeat(3, axis=1)
    assert double(ramp)[0, 0] == pytest.approx([0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4.25, 4.75, 5])


def test_more_peaks_than_slots_keeps_the_best() -> None:
    maps2 = np.zeros((1, 40, 40), np.float32)
    maps2[0, ::4, ::4] = np.arange(1, 101, dtype=np.float32).reshape(10, 10) / 100
    candidates = find_candidates(np.zeros((2, 20, 20), np.float32), maps2, 30)
    assert candidates.scores[0] == pytest.approx(np.arange(100, 70, -1) / 200, abs=1e-6)


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="maps2 must have shape"):
        find_candidates(np.zeros((2, 4, 4), np.float32), np.zeros((1, 8, 9), np.float32))
