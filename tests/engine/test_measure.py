"""Angles and speeds: against motions whose truth is known."""

import csv
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.commands import measure as command
from engine.errors import SinkError, SourceError, UsageError
from engine.keypoint_files import FrameRecord, PersonRecord
from engine.measure import TRUNK_LEAN, joint_angles, measure, speed, write_table
from engine.measure_plot import plot_measures
from main import build_parser
from models.skeleton import COCO_17, CROWDPOSE_14

SHOULDER, ELBOW, WRIST = (COCO_17.index(f"left_{joint}") for joint in ("shoulder", "elbow", "wrist"))


def standing(count: int) -> np.ndarray:
    """(count, 17, 2): upright, arms hanging."""
    pose = np.zeros((17, 2))
    for side, sign in (("left", 1), ("right", -1)):
        places = {
            "shoulder": (20, 100),
            "elbow": (20, 150),
            "wrist": (20, 200),
            "hip": (15, 200),
            "knee": (15, 280),
            "ankle": (15, 360),
        }
        for joint, (x, y) in places.items():
            pose[COCO_17.index(f"{side}_{joint}")] = (200 + sign * x, y)
        pose[COCO_17.index(f"{side}_eye")] = (200 + sign * 5, 60)
        pose[COCO_17.index(f"{side}_ear")] = (200 + sign * 10, 65)
    pose[0] = (200, 70)
    return np.repeat(pose[None], count, axis=0)


def records(track: np.ndarray, times: np.ndarray, number: int | None = 3, score: float = 0.9) -> list[FrameRecord]:
    return [
        FrameRecord(
            frame,
            float(time_s),
            "clip.mp4",
            (PersonRecord(number, 0.8, tuple(None if np.isnan(x) else (x, y, score) for x, y in joints.tolist())),),
        )
        for frame, (time_s, joints) in enumerate(zip(times, track))
    ]


def bending_arm() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """-> track, times, true angle of the left elbow: from straight to a right angle in one second."""
    times = np.arange(31) / 30
    degrees = 180 - 90 * times
    track = standing(31)
    turn = np.radians(180 - degrees)
    track[:, WRIST] = track[:, ELBOW] + 50 * np.stack([np.sin(turn), np.cos(turn)], axis=1)
    return track, times, degrees


def file_of(tmp_path: Path, lines: list[FrameRecord]) -> Path:
    path = tmp_path / "keypoints.jsonl"
    path.write_text("".join(line.line() + "\n" for line in lines), encoding="utf-8")
    return path


def run(*arguments: object) -> int:
    return command.main(build_parser("measure").parse_args(["measure", *map(str, arguments)]))


def test_the_angle_of_a_bending_arm_is_right():
    track, times, degrees = bending_arm()
    (person,) = measure(records(track, times), COCO_17)
    assert person.number == 3
    assert person.angles["left_elbow"] == pytest.approx(degrees, abs=0.2)
    assert person.angles["right_elbow"] == pytest.approx(np.full(31, 180.0))
    assert person.angles["left_knee"] == pytest.approx(np.full(31, 180.0))


def test_the_speed_of_the_hand_is_right():
    track, times, _ = bending_arm()
    (person,) = measure(records(track, times), COCO_17)
    # A quarter turn with a radius of 50 pixels in a second.
    truth = 50 * np.pi / 2
    assert person.speeds["left_wrist"][5:-5] == pytest.approx(truth, rel=0.02)
    assert person.speeds["left_elbow"] == pytest.approx(np.zeros(31), abs=1e-6)


def test_someone_who_leans_to_the_right_leans_positively():
    track = standing(1)
    upper = [COCO_17.index(f"{side}_shoulder") for side in ("left", "right")]
    track[:, upper, 0] += 100
    assert joint_angles(track, COCO_17)[TRUNK_LEAN] == pytest.approx([45.0])


def test_speed_does_not_reach_over_gaps_and_bears_noise_and_uneven_times():
    random = np.random.default_rng(0)
    times = np.sort(random.uniform(0, 2, 80))
    places = np.stack([100 * times, 30 * times], axis=1) + random.normal(0, 0.5, (80, 2))
    assert np.median(speed(times, places)) == pytest.approx(np.hypot(100, 30), rel=0.05)
    apart = np.array([0.0, 0.1, 5.0, 5.1])
    assert speed(apart, np.array([[0, 0], [1, 0], [900, 0], [901, 0]], float)) == pytest.approx([10, 10, 10, 10])
    lonely = speed(np.array([0.0, 9.0]), np.zeros((2, 2)))
    assert np.isnan(lonely).all()


def test_slow_frame_rates_have_speeds_too():
    times = np.arange(5) * 0.4
    assert speed(times, np.stack([10 * times, 0 * times], axis=1)) == pytest.approx(np.full(5, 10.0))


def test_missing_and_unsure_joints_have_no_values():
    track, times, _ = bending_arm()
    track[10:15, WRIST] = np.nan
    (person,) = measure(records(track, times), COCO_17)
    assert np.isnan(person.angles["left_elbow"][10:15]).all()
    assert np.isfinite(person.angles["left_elbow"][15:]).all()
    assert np.isnan(person.speeds["left_wrist"][12])
    (unsure,) = measure(records(track, times, score=0.1), COCO_17, min_score=0.2)
    assert all(np.isnan(values).all() for values in unsure.angles.values())
    assert np.isnan(unsure.height)


def test_people_are_kept_apart_by_their_ids():
    track, times, _ = bending_arm()
    lines = [
        FrameRecord(one.frame, one.time_s, one.source, one.people + other.people)
        for one, other in zip(records(track, times, 7), records(track + 50, times, 2))
    ]
    people = measure(lines, COCO_17)
    assert [person.number for person in people] == [2, 7]
    assert people[0].height == pytest.approx(people[1].height)


def test_crowdpose_is_measured_as_well():
    track = np.full((2, 14, 2), np.nan)
    for joint, place in {"left_hip": (0, 100), "left_knee": (0, 150), "left_ankle": (50, 150)}.items():
        track[:, CROWDPOSE_14.index(joint)] = place
    (person,) = measure(records(track, np.array([0, 0.1])), CROWDPOSE_14)
    assert person.angles["left_knee"] == pytest.approx([90, 90])
    assert "nose" not in person.speeds


def test_the_table_has_a_row_for_each_frame_and_person():
    track, times, degrees = bending_arm()
    track[3, WRIST] = np.nan
    file = io.StringIO()
    write_table(measure(records(track, times), COCO_17), file)
    rows = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert len(rows) == 31
    assert rows[3]["left_elbow_deg"] == ""
    assert float(rows[10]["left_elbow_deg"]) == pytest.approx(degrees[10], abs=0.2)
    assert float(rows[10]["left_wrist_px_per_s"]) == pytest.approx(50 * np.pi / 2, rel=0.05)
    assert rows[10]["person"] == "3"
    assert rows[10]["time_s"] == "0.3333"
    empty = io.StringIO()
    write_table([], empty)
    assert empty.getvalue().count("\n") == 1


def test_the_command_prints_a_summary_and_writes_both_files(tmp_path, capsys):
    track, times, _ = bending_arm()
    path = file_of(tmp_path, records(track, times))
    assert run(path, "--csv", tmp_path / "out.csv", "--plot", tmp_path / "out.png") == 0
    printed = capsys.readouterr().out
    assert "person 3: 31 frames" in printed
    assert "left elbow          135° median" in printed
    assert "left wrist" in printed
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 32
    picture = cv2.imread(str(tmp_path / "out.png"))
    assert picture.shape[1] == 1200
    assert picture.std() > 10
    with pytest.raises(SinkError, match="exists already"):
        run(path, "--csv", tmp_path / "out.csv")
    assert run(path, "--csv", tmp_path / "out.csv", "--overwrite") == 0


def test_panels_without_a_value_are_left_out(tmp_path):
    track, times, _ = bending_arm()
    everything, arms = measure(records(track, times), COCO_17), None
    legs = [COCO_17.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("hip", "knee", "ankle")]
    track[:, legs] = np.nan
    arms = measure(records(track, times), COCO_17)
    for people, name in ((everything, "all.png"), (arms, "arms.png")):
        assert plot_measures(people, tmp_path / name, "x") == [3]
    assert cv2.imread(str(tmp_path / "arms.png")).shape[0] < cv2.imread(str(tmp_path / "all.png")).shape[0]
    with pytest.raises(SinkError, match=r"\.png, \.svg or \.pdf"):
        plot_measures(people, tmp_path / "plot.xyz", "x")


def test_files_that_cannot_be_measured_are_told(tmp_path):
    track, times, _ = bending_arm()
    nobody = file_of(tmp_path, [FrameRecord(0, 0.0, "x", ())])
    with pytest.raises(SourceError, match="no people"):
        run(nobody)
    pair = [FrameRecord(r.frame, r.time_s, r.source, r.people * 2) for r in records(track, times, None)]
    with pytest.raises(SourceError, match="tracking"):
        run(file_of(tmp_path, pair))
    alone = file_of(tmp_path, records(track, times, None))
    assert run(alone) == 0
    with pytest.raises(UsageError, match="no person 9"):
        run(alone, "--person", 9)
    with pytest.raises(UsageError, match="0 to 1"):
        run(alone, "--min-score", 2)
    with pytest.raises(SourceError, match="no file"):
        run(tmp_path / "missing.jsonl")
    (tmp_path / "other.jsonl").write_text(json.dumps([1, 2]) + "\n")
    with pytest.raises(SourceError, match="line 1"):
        run(tmp_path / "other.jsonl")
