"""The cache of compiled networks: found again, rebuilt when it cannot be trusted, shared by processes."""

import json
import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.compiler import artifacts, targets
from engine.compiler.folders import cache_folder
from engine.compiler.library import METADATA, Artifact
from engine.errors import CompilerError
from models import architecture, checkpoints
from models.checkpoints import Checkpoint
from models.skeleton import COCO_17
from tests.engine.compiler.test_compiled_network import SMALL


@pytest.fixture
def checkpoint() -> Checkpoint:
    return checkpoints.synthetic(architecture.parse(SMALL, "small.yaml"), COCO_17, seed=1)


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Replaces the compiler by one that writes a few bytes; lists what it was asked to write."""
    monkeypatch.setenv("LITEPOSE_CACHE", str(tmp_path / "cache"))
    written: list[Path] = []

    def compile_network(checkpoint: Checkpoint, height: int, width: int, target: targets.Target, library: Path) -> None:
        written.append(library)
        library.write_bytes(b"library %d" % len(written))

    import engine.compiler.build

    monkeypatch.setattr(engine.compiler.build, "compile_network", compile_network)
    return written


def obtain(checkpoint: Checkpoint, height: int = 64, width: int = 64, **options: str) -> Artifact:
    return artifacts.obtain(checkpoint, height, width, targets.load(options.get("target"), threads=1))


def test_a_network_is_built_once(checkpoint: Checkpoint, builds: list[Path]) -> None:
    first, second = obtain(checkpoint), obtain(checkpoint)
    assert len(builds) == 1
    assert first == second
    assert first.library.read_bytes() == b"library 1"


def test_other_weights_shapes_and_targets_have_their_own(checkpoint: Checkpoint, builds: list[Path]) -> None:
    other = checkpoints.synthetic(checkpoint.architecture, COCO_17, seed=2)
    libraries = {
        obtain(checkpoint).library,
        obtain(other).library,
        obtain(checkpoint, width=96).library,
        obtain(checkpoint, target="x86-64-v2").library,
    }
    assert len(libraries) == len(builds) == 4


@pytest.mark.parametrize("damage", ["truncated", "corrupted", "no metadata", "bad metadata", "foreign", "no library"])
def test_what_cannot_be_trusted_is_built_again(
    damage: str, checkpoint: Checkpoint, builds: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    library = obtain(checkpoint).library
    metadata = library.parent / METADATA
    if damage == "truncated":
        library.write_bytes(library.read_bytes()[:4])
    elif damage == "corrupted":
        library.write_bytes(b"Library 1")
    elif damage == "no metadata":
        metadata.unlink()
    elif damage == "bad metadata":
        metadata.write_text("[1, 2", encoding="utf-8")
    elif damage == "foreign":
        metadata.write_text(json.dumps({**json.loads(metadata.read_text("utf-8")), "tvm": "0.1"}), encoding="utf-8")
    else:
        library.unlink()
    with caplog.at_level(logging.WARNING):
        again = obtain(checkpoint)
    assert len(builds) == 2
    assert again.library.read_bytes() == b"library 2"
    assert "built again" in caplog.text
    assert obtain(checkpoint) == again
    assert len(builds) == 2


def test_an_upgraded_compiler_builds_again(
    checkpoint: Checkpoint, builds: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    obtain(checkpoint)
    monkeypatch.setattr(artifacts, "kernels_version", lambda: "another")
    obtain(checkpoint)
    assert len(builds) == 2


def test_several_builders_at_once_do_not_harm_each_other(checkpoint: Checkpoint, builds: list[Path]) -> None:
    found: list[Artifact] = []
    threads = [threading.Thread(target=lambda: found.append(obtain(checkpoint))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert found[0].library.read_bytes() == obtain(checkpoint).library.read_bytes()
    assert not list(cache_folder().glob(".*"))


def test_an_unwritable_cache_says_what_to_do(
    checkpoint: Checkpoint, builds: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("LITEPOSE_CACHE", str(blocked / "cache"))
    with pytest.raises(CompilerError, match="LITEPOSE_CACHE"):
        obtain(checkpoint)


def test_an_unknown_target_lists_the_known_ones() -> None:
    with pytest.raises(CompilerError, match="x86-64-v3"):
        targets.load("z80")


RUN = """
import sys
from engine.compiler import artifacts, targets
from engine.compiler.folders import cache_folder
from engine.compiler.runtime import CompiledNetwork
from models import architecture, checkpoints
from models.skeleton import COCO_17
from tests.engine.compiler.test_compiled_network import SMALL
checkpoint = checkpoints.synthetic(architecture.parse(SMALL, "small.yaml"), COCO_17, seed=1)
network = CompiledNetwork(artifacts.obtain(checkpoint, 64, 64, targets.load(threads=1)), 1)
network.picture[:] = 0
print(network.candidates(network.maps()).scores.shape, *(name in sys.modules for name in ("tvm", "torch")))
"""


def test_a_cached_network_runs_without_the_compiler_and_without_torch(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    environment = {"LITEPOSE_CACHE": str(tmp_path), "PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"}
    script = RUN.replace("from tests.engine.compiler.test_compiled_network import SMALL", f"SMALL = {SMALL!r}")

    def run() -> str:
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert run() == "(17, 30) True False"
    assert run() == "(17, 30) False False"
