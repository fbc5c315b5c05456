"""Weights and the descriptions of networks: nothing in them may run, and what does not fit is told."""

import contextlib
import io
import os
import pickle
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from safetensors.numpy import save

from models import architecture, checkpoints, manifest
from models.parameters import LAST
from models.skeleton import COCO_17
from models.training import settings
from tests.fuzz.inputs import damaged, texts
from tests.fuzz.target import Check, Target, reads

RAN = "ran"  # the file that a pickle makes if anything in it is run
NETWORK = {
    "name": "tiny",
    "resolution": 64,
    "stem": 8,
    "expansion": 2,
    "kernel": 3,
    "stages": [{"width": 8, "depth": 1, "stride": stride} for stride in (2, 2, 2, 1)],
    "deconv": [8, 8, 8],
    "fusion": True,
    "head_kernel": 3,
}
WEIGHTS = {"xs": {"file": "xs.safetensors", "sha256": "0" * 64, "skeleton": "coco-17", "date": "2026-11-22", "data": "x",
                  "figures": [{"part": "all", "side": 256, "ap": 0.1, "ap50": 0.3}]}}  # fmt: skip
RUN = {"size": "xs", "shapes": [[64, 64]], "batch": 2, "schedule": {}, "loss": {}, "augmentation": {}}


class Call:
    """Pickled, a call of this function with these arguments by whoever loads it."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def calls() -> list[Call]:
    """Ways for a pickle to make the file RAN."""
    code = f"open({RAN!r}, 'w').close()"
    return [
        Call(os.system, f"touch {RAN}"),
        Call(exec, code),
        Call(eval, f"open({RAN!r}, 'w')"),
        Call(open, RAN, "w"),
        Call(os.mkdir, RAN),
        Call(getattr, Call(__import__, "os"), "system"),
        Call(map, exec, [code]),
        Call(Path.touch, Path(RAN)),
        Call(np.memmap, RAN, "uint8", "w+", 0, (4,)),
    ]


@cache
def tensors() -> dict[str, np.ndarray]:
    return checkpoints.synthetic(architecture.parse(NETWORK, "tiny"), COCO_17, 0).tensors


@cache
def pickled() -> list[bytes]:
    """Official files: both of torch's formats, one with a score beside it, and files with calls in them."""
    import torch

    state = {f"module.{name}": torch.tensor(value) for name, value in tensors().items()}
    files = []
    for content in (state, {"state_dict": state, "best_AP": np.float64(0.5)}, {LAST: torch.zeros(17)}, [1, 2]):
        for zipped in (True, False):
            buffer = io.BytesIO()
            torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
            files.append(buffer.getvalue())
    zipped = files[0]
    for call in calls():
        for content in (call, {"state_dict": call}, {"a": torch.zeros(1), "b": call}):
            for protocol in (0, 2, 4):
                data = pickle.dumps(content, protocol)
                files += [data, with_pickle(zipped, data)]
    return files


def with_pickle(archive: bytes, data: bytes) -> bytes:
    """The same archive with another pickle inside."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(made, "w") as new:
        for entry in old.infolist():
            new.writestr(entry, data if entry.filename.endswith("data.pkl") else old.read(entry))
    return made.getvalue()


@contextlib.contextmanager
def official(folder: Path) -> Iterator[Check]:
    path, network = folder / "w.pth.tar", folder / "tiny.yaml"
    network.write_text(yaml.safe_dump(NETWORK), encoding="utf-8")

    def check(data: bytes) -> None:
        path.write_bytes(data)
        try:
            checkpoints.import_official(path, network)
        finally:
            assert not (folder / RAN).exists(), "the pickle was run"

    yield check


def safetensors() -> SearchStrategy[bytes]:
    named = {"joints": "17", "skeleton": "coco-17", "architecture": yaml.safe_dump(NETWORK)}
    small = {"a": np.zeros(3, np.float16)}
    metadata = st.dictionaries(st.sampled_from(["size", "joints", "skeleton", "architecture"]), st.text(max_size=20))
    return damaged(save(tensors(), named), save(small, {"size": "xs"}), save(tensors(), {"size": "s"})) | metadata.map(
        lambda found: save(tensors(), {**named, **found})
    )


def yaml_texts(document: Any) -> SearchStrategy[bytes]:
    running = [
        "!!python/object/apply:os.system ['touch ran']",
        "!!python/name:os.system",
        "2026-99-99",
        "&a [*a]",
        "? [a]\n: b",
    ]
    return texts(document, lambda value: yaml.safe_dump(value, allow_unicode=True)) | st.sampled_from(running).map(
        str.encode
    )


def read_manifest(path: Path) -> None:
    manifest.read(path.parent)


TARGETS = [
    Target("checkpoints", lambda: st.sampled_from(pickled()) | damaged(*pickled()), official),
    reads("safetensors", "w.safetensors", safetensors, checkpoints.load),
    reads("network YAML", "tiny.yaml", lambda: yaml_texts(NETWORK), architecture.load),
    reads("training YAML", "run.yaml", lambda: yaml_texts(RUN), settings.load),
    reads("weights manifest", manifest.MANIFEST, lambda: yaml_texts(WEIGHTS), read_manifest),
]
