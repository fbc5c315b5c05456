"""`main.py measure`: joint angles and speeds over time, from a keypoint file."""

import argparse
from pathlib import Path

import numpy as np

from engine.errors import SourceError, UsageError
from engine.keypoint_files import read_keypoints, skeleton_of
from engine.measure import PersonMeasures, measure, write_table
from engine.sinks.output_file import expect_free, write_failure
from engine.types import UNTRACKED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("keypoints", type=Path, help="a .jsonl file that run or live wrote")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="every value over time")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="curves as .png, .svg or .pdf")
    parser.add_argument("--person", type=int, metavar="ID", help="only this one")
    parser.add_argument(
        "--min-score", type=float, default=0.2, metavar="T", help="leave out unsure joints (default: 0.2)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace result files that exist")


def main(args: argparse.Namespace) -> int:
    if not 0 <= args.min_score <= 1:
        raise UsageError(f"--min-score must be from 0 to 1, not {args.min_score:g}.")
    for path in (args.csv, args.plot):
        if path is not None:
            expect_free(path, args.overwrite)
    people = read_measures(args.keypoints, args.min_score)
    if args.person is not None:
        people = [person for person in people if person.number == args.person]
        if not people:
            raise UsageError(f"There is no person {args.person} in “{args.keypoints}”.")
    for person in people:
        print("\n".join(summary(person)))
    if args.csv:
        try:
            with args.csv.open("w", encoding="utf-8", newline="") as file:
                write_table(people, file)
        except OSError as error:
            raise write_failure(args.csv, error) from error
        print(f"saved: {args.csv}")
    if args.plot:
        from engine.measure_plot import plot_measures

        shown = plot_measures(people, args.plot, args.keypoints.name)
        left_out = len(people) - len(shown)
        print(f"saved: {args.plot}" + (f" (the {len(shown)} people seen longest)" if left_out else ""))
    return 0


def read_measures(path: Path, min_score: float) -> list[PersonMeasures]:
    """Raises SourceError where the file holds nobody, or several people without ids."""
    skeleton = skeleton_of(read_keypoints(path))
    if skeleton is None:
        raise SourceError(f"“{path}” holds no people to measure.")
    try:
        return measure(read_keypoints(path), skeleton, min_score=min_score)
    except ValueError as error:
        raise SourceError(f"“{path}” cannot be measured: {error}. Record it with tracking on.") from error


def summary(person: PersonMeasures) -> list[str]:
    """Lines for the console: the range of each angle, the fastest joints."""
    name = "person" if person.number == UNTRACKED else f"person {person.number}"
    span_s = person.times_s[-1] - person.times_s[0]
    frames = "1 frame" if len(person.times_s) == 1 else f"{len(person.times_s)} frames"
    lines = [f"{name}: {frames}, {person.times_s[0]:.2f} to {person.times_s[-1]:.2f} s ({span_s:.2f} s)"]
    for angle, degrees in person.angles.items():
        known = degrees[np.isfinite(degrees)]
        if len(known):
            low, middle, high = np.percentile(known, (5, 50, 95))
            lines.append(f"  {angle.replace('_', ' '):<16}{middle:>7.0f}° median{low:>7.0f}° to{high:>5.0f}°")
    fastest = {
        joint: float(np.nanpercentile(speed, 95)) for joint, speed in person.speeds.items() if np.isfinite(speed).any()
    }
    for joint, speed in sorted(fastest.items(), key=lambda item: -item[1])[:3]:
        heights = f", {speed / person.height:.2f} body heights/s" if np.isfinite(person.height) else ""
        lines.append(f"  {joint.replace('_', ' '):<16}{speed:>7.0f} px/s p95{heights}")
    return lines
