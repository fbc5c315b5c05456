"""Measures what smoothing gives and costs: jitter of someone at rest, lag behind someone who moves. Prints a table.

    python tests/soak/measure_smoothing.py [--noise 2] [--height 250] [--min-cutoff 0.6] [--beta 9]

jitter: standard deviation of the joints of a person at rest, in pixels, of the detections and smoothed.
walk:   milliseconds by which the smoothed trunk is behind the detections of someone who walks past (0.8 body heights/s).
wave:   the same for a wrist that waves once per second, a quarter of the body height to each side.
start:  greatest distance, in pixels, that the smoothed trunk falls behind while someone starts to walk.
slow:   the same for someone who drifts at the speed that still counts as rest.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "engine")]

from walking import STANDING, poses_of  # noqa: E402

from engine.smoothing import Smoother, SmoothingSettings  # noqa: E402

TRUNK = [5, 6, 11, 12]
WRIST = 9


def smoothed(truth: NDArray[np.float64], times: NDArray[np.float64], noise: float, settings: SmoothingSettings):
    """-> detections and smoothed joints, (frames, 17, 2) each, of one person whose true joints are (frames, 17, 2)."""
    random, smoother = np.random.default_rng(0), Smoother(settings)
    raw, calm = [], []
    for joints, time_s in zip(truth, times):
        poses = poses_of([joints], random, noise)
        poses.ids[:] = 1
        raw.append(poses.keypoints[0])
        calm.append(smoother.update(poses, float(time_s)).keypoints[0])
    return np.array(raw), np.array(calm)


def delay_ms(truth: NDArray[np.float64], calm: NDArray[np.float64], times: NDArray[np.float64]) -> float:
    """The shift in time with which the true motion (frames,) fits the smoothed one best."""
    shifts = np.arange(-0.02, 0.4, 0.001)
    inside = (times > 1) & (times < times[-1] - 0.1)
    errors = [np.mean((np.interp(times - shift, times, truth) - calm)[inside] ** 2) for shift in shifts]
    return float(shifts[int(np.argmin(errors))] * 1000)


def measure(fps: float, noise: float, height: float, settings: SmoothingSettings) -> list[float]:
    """Jitter of the detections, jitter smoothed, how many times less, delay walking and waving, worst lags."""
    times = np.arange(0, 8, 1 / fps)
    still = np.tile(STANDING * height + 100, (len(times), 1, 1))
    raw, calm = smoothed(still, times, noise, settings)
    settled = times > 1
    jitter, left = float(raw[settled].std(axis=0).mean()), float(calm[settled].std(axis=0).mean())

    walking = still.copy()
    walking[..., 0] += (0.8 * height * times)[:, None]
    _, calm = smoothed(walking, times, noise, settings)
    walk = delay_ms(walking[:, TRUNK, 0].mean(axis=1), calm[:, TRUNK, 0].mean(axis=1), times)

    waving = still.copy()
    waving[:, WRIST, 0] += 0.25 * height * np.sin(2 * np.pi * times)
    _, calm = smoothed(waving, times, noise, settings)
    wave = delay_ms(waving[:, WRIST, 0], calm[:, WRIST, 0], times)

    starting = still.copy()
    starting[..., 0] += (0.8 * height * np.maximum(times - 4, 0))[:, None]
    _, calm = smoothed(starting, times, 0, settings)
    start = float((starting[:, TRUNK, 0] - calm[:, TRUNK, 0]).mean(axis=1).max())

    drifting = still.copy()
    drifting[..., 0] += (settings.rest_speed * height * times)[:, None]
    _, calm = smoothed(drifting, times, 0, settings)
    slow = float((drifting[:, TRUNK, 0] - calm[:, TRUNK, 0]).mean(axis=1).max())
    return [jitter, left, jitter / left, walk, wave, start, slow]


def main() -> None:
    parser = argparse.ArgumentParser(description="Jitter and lag of the smoothing.")
    parser.add_argument("--noise", type=float, default=2.0, help="standard deviation of the detections, in pixels")
    parser.add_argument("--height", type=float, default=250.0, help="of the person, in pixels")
    defaults = SmoothingSettings()
    parser.add_argument("--min-cutoff", type=float, default=defaults.min_cutoff_hz)
    parser.add_argument("--rest-speed", type=float, default=defaults.rest_speed)
    parser.add_argument("--beta", type=float, default=defaults.beta)
    parser.add_argument("--derivative-cutoff", type=float, default=defaults.derivative_cutoff_hz)
    args = parser.parse_args()
    settings = SmoothingSettings(args.min_cutoff, args.rest_speed, args.beta, args.derivative_cutoff)
    print(f"{settings}, noise {args.noise} px, height {args.height} px")
    print("  fps  jitter px  smoothed px   less by   walk ms   wave ms  start px  slow px")
    for fps in (10, 15, 30, 60):
        jitter, left, factor, walk, wave, start, slow = measure(fps, args.noise, args.height, settings)
        print(f"{fps:5d}{jitter:11.2f}{left:13.2f}{factor:9.1f}×{walk:10.0f}{wave:10.0f}{start:10.1f}{slow:9.1f}")


if __name__ == "__main__":
    main()
