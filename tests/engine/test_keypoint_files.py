"""Keypoints read back from JSON lines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sink_frames import NOBODY, UNTRACKED_PERSON, frame_at, people

from engine.errors import SourceError
from engine.keypoint_files import FrameRecord, read_keypoints, skeleton_of
from engine.types import UNTRACKED, Poses
from models.skeleton import COCO_17, CROWDPOSE_14

GOOD = '{"frame": 0, "time_s": 0.5, "source": "a", "people": []}\n'


def test_people_come_back_as_they_were(tmp_path):
    path = tmp_path / "a.jsonl"
    written = [people(4, 9), NOBODY, UNTRACKED_PERSON]
    path.write_text("".join(FrameRecord.of(frame_at(n, n / 7), poses).line() + "\n" for n, poses in enumerate(written)))
    records = list(read_keypoints(path))
    assert [record.frame for record in records] == [0, 1, 2]
    assert records[2].time_s == pytest.approx(2 / 7, abs=1e-6)
    assert skeleton_of(records) is COCO_17
    for record, poses in zip(records, written):
        back = record.poses(COCO_17)
        np.testing.assert_allclose(back.keypoints, poses.keypoints, atol=0.0051)
        np.testing.assert_allclose(back.scores, poses.scores, atol=0.000051)
        np.testing.assert_array_equal(back.ids, poses.ids)
    assert records[2].poses(COCO_17).ids[0] == UNTRACKED


@given(st.lists(st.tuples(*[st.floats(-1e4, 1e5), st.floats(0, 1)], st.booleans()), min_size=14, max_size=14))
def test_any_joints_survive(joints):
    keypoints = np.array([[[x, x] if seen else [np.nan, np.nan] for x, _, seen in joints]], np.float32)
    scores = np.array([[score if seen else 0 for _, score, seen in joints]], np.float32)
    poses = Poses(keypoints, scores, np.ones(1, np.float32), np.zeros(1, np.int64), CROWDPOSE_14)
    back = FrameRecord.parse(FrameRecord.of(frame_at(0, 0.0), poses).line()).poses(CROWDPOSE_14)
    np.testing.assert_allclose(back.keypoints, keypoints, atol=0.02)
    np.testing.assert_array_equal(back.visible, poses.visible)


def test_a_line_that_a_kill_cut_off_is_left_out(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(GOOD + GOOD[:20])
    assert len(list(read_keypoints(path))) == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("not json", "not JSON"),
        ("[1, 2]", "not an object"),
        ('{"frame": 0, "time_s": 0, "source": "a"}', "“people” is missing"),
        ('{"frame": 0, "time_s": "x", "source": "a", "people": []}', "“time_s” is not a number"),
        ('{"frame": 0, "time_s": 0, "source": "a", "people": [{"id": null, "score": 1}]}', "no list of keypoints"),
        ('{"frame": 0, "time_s": 0, "source": "a", "people": [{"score": 1, "keypoints": [[1, 2]]}]}', "nor"),
        ('{"frame": NaN, "time_s": 0, "source": "a", "people": []}', "“frame” is not a number"),
        (f'{{"frame": {10**19}, "time_s": 0, "source": "a", "people": []}}', "“frame” is not a number up to"),
        (f'{{"frame": 0, "time_s": {10**400}, "source": "a", "people": []}}', "“time_s” is not a number up to"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, line, reason):
    path = tmp_path / "a.jsonl"
    path.write_text(GOOD + line + "\n" + GOOD)
    records = read_keypoints(path)
    assert next(records).time_s == 0.5
    with pytest.raises(SourceError, match=f"line 2.*{reason}"):
        next(records)


def test_files_that_hold_no_keypoints_are_refused(tmp_path):
    with pytest.raises(SourceError, match="no file"):
        list(read_keypoints(tmp_path / "none.jsonl"))
    for unreadable in (tmp_path, tmp_path / "\0"):
        with pytest.raises(SourceError, match="cannot be read"):
            list(read_keypoints(unreadable))
    (tmp_path / "video.mp4").write_bytes(bytes(range(256)) * 10)
    with pytest.raises(SourceError, match="line 1"):
        list(read_keypoints(tmp_path / "video.mp4"))
    (tmp_path / "empty.jsonl").touch()
    assert list(read_keypoints(tmp_path / "empty.jsonl")) == []


def test_unknown_numbers_of_joints_are_told():
    record = FrameRecord.parse(
        '{"frame": 0, "time_s": 0, "source": "a", "people": [{"score": 1, "keypoints": [null, [1, 2, 0.5]]}]}'
    )
    with pytest.raises(SourceError, match=r"2 joints.*17 \(coco-17\)"):
        skeleton_of([record])
    with pytest.raises(ValueError, match="2 joints"):
        record.poses(COCO_17)
