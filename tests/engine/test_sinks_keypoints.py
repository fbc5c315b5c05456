"""Keypoint files: what stands in each format, and what is left when the program or the disk gives out."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sink_frames import NOBODY, UNTRACKED_PERSON, frame_at, people, small_disk

from engine.errors import SinkError, UsageError
from engine.keypoint_files import read_keypoints
from engine.sinks import open_keypoint_writer
from engine.sinks.keypoint_writers import convert_keypoints
from models.skeleton import COCO_17, CROWDPOSE_14

FORMATS = [".jsonl", ".json", ".csv", ".dlc.csv"]


def write(path, *frames, **options):
    with open_keypoint_writer(path, COCO_17, **options) as writer:
        for frame, poses in frames:
            writer.write(frame, poses, None)
    return path


def test_json_lines_say_exactly_what_was_promised(tmp_path):
    path = write(
        tmp_path / "a.jsonl",
        (frame_at(0, 0.0), people(7)),
        (frame_at(2, 1 / 15), NOBODY),
        (frame_at(3, 0.1), UNTRACKED_PERSON),
    )
    first, nobody, untracked = map(json.loads, path.read_text().splitlines())
    joints = [[10.13, 5.5, 0.8765], [12.13, 5.5, 0.8765], [14.13, 5.5, 0.8765], None]
    assert first["people"][0]["keypoints"][:4] == joints
    assert len(first["people"][0]["keypoints"]) == 17
    assert (first["people"][0]["id"], first["people"][0]["score"]) == (7, 0.9)
    assert list(first) == ["frame", "time_s", "source", "people"]
    assert list(first["people"][0]) == ["id", "score", "keypoints"]
    assert nobody == {"frame": 2, "time_s": 0.066667, "source": "clip.mp4", "people": []}
    assert untracked["people"][0]["id"] is None


def test_every_line_is_on_disk_when_the_frame_was_written(tmp_path):
    with open_keypoint_writer(tmp_path / "a.jsonl", COCO_17) as writer:
        for count in range(1, 4):
            writer.write(frame_at(count, count / 10), people(1), None)
            assert (tmp_path / "a.jsonl").read_text().count("\n") == count


def test_a_table_has_a_line_for_every_person(tmp_path):
    odd = 'a, "b"\n.mp4'
    path = write(
        tmp_path / "a.csv",
        (frame_at(0, 0.0, odd), people(7, 8)),
        (frame_at(1, 0.04), NOBODY),
        (frame_at(2, 0.08), UNTRACKED_PERSON),
    )
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["frame"], row["time_s"], row["person"], row["id"], row["score"]) for row in rows] == [
        ("0", "0.0", "0", "7", "0.9"),
        ("0", "0.0", "1", "8", "0.8"),
        ("2", "0.08", "0", "", "0.9"),
    ]
    assert rows[0]["source"] == odd
    assert (rows[1]["nose_x"], rows[1]["nose_y"], rows[1]["nose_score"]) == ("10.13", "25.5", "0.8765")
    assert (rows[0]["left_ear_x"], rows[0]["left_ear_score"]) == ("", "")
    assert len(rows[0]) == 6 + 17 * 3


def test_coco_results_number_pictures_by_their_names(tmp_path):
    names = ["000000000139.jpg", "b/000000000139.jpg", "portrait.png", "2.jpg", "3.png", "last.png"]
    path = write(tmp_path / "a.json", *[(frame_at(n, n, name), people(-1)) for n, name in enumerate(names)])
    results = json.loads(path.read_text())
    assert [result["file_name"] for result in results] == names
    assert [result["image_id"] for result in results] == [139, 1, 4, 2, 3, 5]
    assert list(results[0]) == ["image_id", "category_id", "keypoints", "score", "file_name"]
    assert (results[0]["category_id"], results[0]["score"], len(results[0]["keypoints"])) == (1, 0.9, 51)
    assert results[0]["keypoints"][:3] == [10.13, 5.5, 0.8765]
    assert results[0]["keypoints"][9:12] == [0, 0, 0]


def test_coco_results_number_the_frames_of_a_video(tmp_path):
    path = write(tmp_path / "a.json", (frame_at(0, 0.0), people(3, 4)), (frame_at(5, 0.2), people(4)))
    results = json.loads(path.read_text())
    assert [(result["image_id"], result["track_id"], result["time_s"]) for result in results] == [
        (0, 3, 0.0),
        (0, 4, 0.0),
        (5, 4, 0.2),
    ]


def test_pycocotools_takes_the_results_and_finds_them_right(tmp_path, capsys):
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    poses = people(-1, missing=())
    path = write(tmp_path / "a.json", (frame_at(0, 0, "12.jpg"), poses), (frame_at(1, 1, "13.jpg"), NOBODY))
    truth = coco.COCO()
    labels = np.concatenate([poses.keypoints[0], np.full((17, 1), 2)], axis=1).reshape(-1).tolist()
    truth.dataset = {
        "images": [{"id": 12}, {"id": 13}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [
            {"id": 1, "image_id": 12, "category_id": 1, "keypoints": labels, "num_keypoints": 17, "area": 2000.0, "iscrowd": 0, "bbox": [0, 0, 50, 40]}
        ],
    }  # fmt: skip
    truth.createIndex()
    evaluation = cocoeval.COCOeval(truth, truth.loadRes(str(path)), "keypoints")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)


def test_nobody_at_all_is_an_empty_list(tmp_path):
    assert json.loads(write(tmp_path / "a.json", (frame_at(0, 0.0), NOBODY)).read_text()) == []


def test_deeplabcut_gets_its_four_lines_of_header(tmp_path):
    path = write(
        tmp_path / "a.dlc.csv",
        (frame_at(0, 0.0), people(4)),
        (frame_at(1, 0.1), people(9, 4)),
        (frame_at(2, 0.2), NOBODY),
    )
    with path.open(newline="") as file:
        scorer, individuals, bodyparts, coords, *rows = csv.reader(file)
    assert (scorer[0], individuals[0], bodyparts[0], coords[0]) == ("scorer", "individuals", "bodyparts", "coords")
    assert set(scorer[1:]) == {"LitePose"}
    assert individuals[1:] == ["id4"] * 51 + ["id9"] * 51
    assert bodyparts[1:7] == ["nose"] * 3 + ["left_eye"] * 3
    assert coords[1:7] == ["x", "y", "likelihood"] * 2
    assert [row[0] for row in rows] == ["0", "1", "2"]
    assert rows[0][1:4] == ["10.13", "5.5", "0.8765"]
    assert rows[1][1:4] == ["10.13", "25.5", "0.8765"]
    assert rows[0][10:13] == ["", "", ""]
    assert rows[0][52:] == [""] * 51
    assert rows[2][1:] == [""] * 102
    assert not list(tmp_path.glob("*.partial"))


def test_deeplabcut_tables_do_not_mix_videos(tmp_path):
    with pytest.raises(SinkError, match=r"“a\.mp4” and “b\.mp4”.*\.partial"):
        write(tmp_path / "a.dlc.csv", (frame_at(0, 0, "a.mp4"), people(1)), (frame_at(0, 0, "b.mp4"), people(1)))
    assert len(list(read_keypoints(tmp_path / "a.dlc.csv.partial"))) == 2


def test_unknown_endings_are_told_with_the_known_ones(tmp_path):
    for name in ("a.txt", "a", "jsonl"):
        with pytest.raises(UsageError, match=r"\.jsonl.*\.json.*\.csv.*\.dlc\.csv"):
            open_keypoint_writer(tmp_path / name, COCO_17)
    write(tmp_path / "UPPER.JSON", (frame_at(0, 0.0), NOBODY))


@pytest.mark.parametrize("ending", FORMATS)
def test_existing_files_are_left_alone(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    path.write_text("precious")
    with pytest.raises(SinkError, match="exists already"):
        open_keypoint_writer(path, COCO_17)
    assert path.read_text() == "precious"
    write(path, (frame_at(0, 0.0), people(1)), overwrite=True)
    assert "precious" not in path.read_text()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("stem", ["two words", "Übung 人", "-x", ".hidden"])
def test_any_name_will_do(tmp_path, monkeypatch, ending, stem):
    monkeypatch.chdir(tmp_path)
    write(Path(stem + ending), (frame_at(0, 0.0, os.fsdecode(b"caf\xe9.mp4")), people(1)))
    assert [path.name for path in tmp_path.iterdir()] == [stem + ending]


@pytest.mark.parametrize("ending", FORMATS)
def test_places_that_cannot_be_written_are_named(tmp_path, ending):
    with pytest.raises(SinkError, match="no folder"):
        open_keypoint_writer(tmp_path / "none" / f"a{ending}", COCO_17)
    (tmp_path / f"b{ending}").mkdir()
    with pytest.raises(SinkError, match="is a folder"):
        open_keypoint_writer(tmp_path / f"b{ending}", COCO_17, overwrite=True)
    with small_disk(tmp_path / "disk", 1, "ro") as disk, pytest.raises(SinkError, match="read-only"):
        open_keypoint_writer(disk / f"a{ending}", COCO_17)


@pytest.mark.parametrize("ending", FORMATS)
def test_a_full_disk_keeps_whole_lines(tmp_path, ending):
    with small_disk(tmp_path / "disk", 1) as disk:
        writer = open_keypoint_writer(disk / f"a{ending}", COCO_17)
        (disk / "others").write_bytes(bytes(shutil.disk_usage(disk).free - 64 * 1024))
        index = 0
        with pytest.raises(SinkError, match="full"):  # noqa: PT012
            while index < 1000:
                writer.write(frame_at(index, index / 30), people(1, 2, 3), None)
                index += 1
        written = next(path for path in disk.glob("a*") if path.stat().st_size)
        text = written.read_text()
        assert text.endswith("\n")
        if not ending.endswith(".csv") or ".dlc" in ending:
            assert len(list(read_keypoints(written))) == index
        (disk / "others").unlink()
        writer.close()
        assert (disk / f"a{ending}").stat().st_size > 1000


WRITE_UNTIL_KILLED = """
import sys
from pathlib import Path
sys.path.append(str(Path("tests/engine")))
from sink_frames import frame_at, people
from engine.sinks import open_keypoint_writer
from models.skeleton import COCO_17

writer = open_keypoint_writer(Path(sys.argv[1]), COCO_17)
for index in range(100_000):
    writer.write(frame_at(index, index / 30), people(1, 2), None)
    print(index, flush=True)
"""


@pytest.mark.parametrize("ending", [".jsonl", ".json"])
def test_a_killed_process_loses_no_frame(tmp_path, ending, caplog):
    path = tmp_path / f"a{ending}"
    child = subprocess.Popen(
        [sys.executable, "-c", WRITE_UNTIL_KILLED, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    with child:
        assert child.stdout is not None
        while int(child.stdout.readline()) < 50:
            pass
        child.send_signal(signal.SIGKILL)
        last = max([50, *map(int, child.stdout.read().split())])
    lines = path
    if ending == ".json":
        assert not path.exists()
        # The next run finds the journal, says so, and keeps it as a file of keypoints.
        write(path, (frame_at(0, 0.0), people(1)))
        lines = tmp_path / "a-recovered.jsonl"
        assert lines.name in caplog.text
        convert_keypoints(lines, tmp_path / "b.json", COCO_17)
        assert len(json.loads((tmp_path / "b.json").read_text())) >= 2 * (last + 1)
    assert len(list(read_keypoints(lines))) >= last + 1


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".dlc.csv"])
def test_no_frame_leaves_no_file(tmp_path, ending):
    with open_keypoint_writer(tmp_path / f"a{ending}", COCO_17) as writer:
        pass
    writer.close()
    assert not list(tmp_path.iterdir())


def test_people_with_other_joints_are_refused(tmp_path):
    with (
        open_keypoint_writer(tmp_path / "a.csv", CROWDPOSE_14) as writer,
        pytest.raises(SinkError, match="crowdpose-14"),
    ):
        writer.write(frame_at(0, 0.0), people(1), None)
