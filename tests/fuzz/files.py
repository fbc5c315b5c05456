"""Files that the program wrote once and reads again, which somebody may have edited or a full disk may have cut off."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from app import preferences
from app.preferences import Preferences
from engine.board import exported
from engine.board.exported import Description, ExportedEstimator
from engine.compiler import library, records, targets, tilings
from engine.compiler.build import core_of
from engine.compiler.gpu.program import Program
from engine.compiler.kernels.pointwise import Pointwise
from engine.evaluation import report
from engine.keypoint_files import read_keypoints, skeleton_of
from engine.measure import measure
from engine.preprocess import InputShape
from models.skeleton import COCO_17
from models.training import annotations
from tests.fuzz.inputs import DEEP, altered, damaged, texts
from tests.fuzz.target import Check, Target, reads
from tests.fuzz.weights import yaml_texts

LIBRARY = b"\x7fELF" + bytes(200)
SHAPE = InputShape(64, 64)
OPERATOR = Pointwise(8, 8, 64, True)
TUNED = {
    "format": 1,
    "target": "x86-64-v3",
    "threads": {
        "2": {
            tilings.key(OPERATOR): {
                "tiling": {"tile": {"vectors": 1, "pixels": 4}, "pixels_per_task": 64},
                "kernels": "x",
            }
        }
    },
}
BOARD = {"tvm": {"kind": "llvm", "mcpu": "cortex-a72"}, "lanes": 4, "registers": 32, "cores": 4, "description": "a board",
         "cache_kib": [32, 1024], "clock_ghz": 1.5, "fma_per_cycle": 4, "features": ["ASIMD"], "parts": ["0xd08"]}  # fmt: skip
PERSON = {"id": 1, "score": 0.5, "keypoints": [[10.0, 20.0, 0.9], None] + [[1, 2, 0.5]] * 15}
LINE = {"frame": 0, "time_s": 0.0, "source": "a.mp4", "people": [PERSON]}
LABELS = {
    "images": [{"id": 1, "file_name": "a.jpg", "width": 10, "height": 10, "set": "all"}],
    "annotations": [
        {"id": 1, "image_id": 1, "keypoints": [1, 2, 2] * 17, "bbox": [0, 0, 5, 5], "area": 20, "iscrowd": 0}
    ],
}
MATCHES = {"matches": [{"id": 1, "set": "all", "people": 1, "scores": [0.5], "matched": [1], "ignored": [0]}]}
PROGRAM = {
    "kernels": {"a": {"groups": [1, 1, 1], "items": [8, 8, 1]}},
    "buffers": [{"role": "picture", "size": 12, "offset": 0}],
    "steps": [{"kernel": "a", "buffers": [0]}],
    "maps_steps": 1,
}


@contextlib.contextmanager
def artifact(folder: Path) -> Iterator[Check]:
    """An exported folder whose metadata and library are strange: only a library with the right digest may be opened."""
    place = exported.network_folder(folder, SHAPE)
    place.mkdir(parents=True)

    class Opened(Exception):  # noqa: N818
        pass

    def check(value: tuple[bytes, bytes]) -> None:
        metadata, code = value
        (place / library.METADATA).write_bytes(metadata)
        (place / library.LIBRARY).write_bytes(code)
        estimator = ExportedEstimator.__new__(ExportedEstimator)
        estimator.folder, estimator.threads, estimator._networks = folder, 1, {}
        with mock.patch.object(exported, "CompiledNetwork", side_effect=Opened), contextlib.suppress(Opened):
            estimator.network(SHAPE)
            return
        try:
            said = json.loads(metadata)
        except (ValueError, RecursionError):
            return
        fits = isinstance(said, dict) and said.get("sha256") == hashlib.sha256(code).hexdigest()
        assert fits or library.fault(place) is not None
        assert fits == (library.fault(place) is None), "a library was opened whose digest is another"

    yield check


def artifacts() -> SearchStrategy[tuple[bytes, bytes]]:
    good = {"size": "xs", "sha256": hashlib.sha256(LIBRARY).hexdigest(), "height": 64}
    return st.tuples(texts(good), st.just(LIBRARY) | damaged(LIBRARY))


@contextlib.contextmanager
def described(folder: Path) -> Iterator[Check]:
    def check(data: bytes) -> None:
        (folder / exported.DESCRIPTION).write_bytes(data)
        Description.read(folder).fault_here()

    yield check


def description() -> dict[str, Any]:
    own = Description("xs", "rpi5", "aarch64", 4, "0.27.0", COCO_17, (SHAPE,), {"joint_threshold": "0.2"})
    return dict(json.loads(own.text()))


def read_preferences(path: Path) -> None:
    found, problem = preferences.load(path)
    assert isinstance(found, Preferences)
    if problem is None:
        preferences.save(found, path)
        assert preferences.load(path) == (found, None) or found != found
    else:
        assert not path.exists(), "a file that cannot be used is set aside"


def preference_files() -> SearchStrategy[bytes]:
    return yaml_texts({"version": preferences.VERSION} | preferences._as_dict(Preferences(measured_ms={"xs": 5.0})))


def read_records(path: Path) -> None:
    found = records.read(path, "x86-64-v3")
    choose = tilings.Tilings(core_of(targets.load("x86-64-v3", 2, here=False)), {
        name: entry["tiling"] for name, entry in found.entries(2).items()
    })  # fmt: skip
    choose(OPERATOR)
    records.tuned("x86-64-v3", 2, path.parent)


def read_lines(path: Path) -> None:
    skeleton = skeleton_of(read_keypoints(path))
    if skeleton is not None:
        with contextlib.suppress(ValueError):  # whose message commands pass on
            measure(read_keypoints(path), skeleton)
        for record in read_keypoints(path):
            with contextlib.suppress(ValueError):
                record.poses(skeleton)


def keypoint_files() -> SearchStrategy[bytes]:
    lines = st.lists(altered(LINE).map(json.dumps) | st.just(json.dumps(LINE)), min_size=1, max_size=4)
    whole = "\n".join(json.dumps({**LINE, "frame": n, "time_s": n / 30}) for n in range(4)).encode()
    return lines.map(lambda found: "\n".join(found).encode()) | damaged(whole) | st.sampled_from(DEEP)


def read_program(path: Path) -> None:
    with contextlib.suppress(ValueError, KeyError, TypeError):  # as its docstring says; its digest was checked before
        Program.from_json(path.read_text(encoding="utf-8"))


TARGETS = [
    Target("artifacts", artifacts, artifact),
    Target("exported folders", lambda: texts(description()), described),
    reads("preferences", "preferences.yaml", preference_files, read_preferences),
    reads("keypoint files", "k.jsonl", keypoint_files, read_lines),
    reads("tuning records", records.file_name("x86-64-v3"), lambda: texts(TUNED), read_records),
    reads("target YAML", "board.yaml", lambda: yaml_texts(BOARD), lambda path: targets.load(str(path), here=False)),
    reads("annotations", "a.json", lambda: texts(LABELS), lambda path: annotations.read(path, COCO_17)),
    reads("evaluations", "e.json", lambda: texts(MATCHES), report.read_matches),
    reads("GPU programs", "program.json", lambda: texts(PROGRAM), read_program),
]
