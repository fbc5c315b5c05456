"""GPU networks on disk, and the memory that their activations share."""

import json
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.compiler import library, pruning
from engine.compiler.folders import cache_folder
from engine.compiler.gpu import presets, store
from engine.compiler.gpu.memory import share
from engine.compiler.gpu.program import Buffer, Program, Role, Step
from engine.errors import CompilerError
from models.checkpoints import Checkpoint
from tests.engine.compiler.gpu.gpu_networks import small


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    monkeypatch.setenv("LITEPOSE_CACHE", str(tmp_path))
    return small()


def obtain(checkpoint: Checkpoint, steps: list[str], target: str = "mali-opencl") -> store.GpuNetwork:
    return store.obtain(checkpoint, 64, 64, presets.load(target), steps.append)


def test_a_network_is_built_once_and_its_source_can_be_read(checkpoint: Checkpoint) -> None:
    steps: list[str] = []
    first = obtain(checkpoint, steps)
    assert steps
    steps.clear()
    assert obtain(checkpoint, steps) == first
    assert not steps
    (folder,) = cache_folder().iterdir()
    assert "__kernel" in (folder / "kernels.cl").read_text("utf-8")
    assert Program.from_json((folder / "program.json").read_text("utf-8")) == first.program


def test_what_the_store_built_is_not_taken_for_old_until_its_sources_change(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    obtain(checkpoint, [])
    assert [entry.reason for entry in pruning.survey(cache_folder())] == [""]
    monkeypatch.setattr(pruning, "gpu_version", lambda: "newer")
    (entry,) = pruning.survey(cache_folder())
    assert "version of the compiler" in entry.reason


def test_each_target_has_its_own(checkpoint: Checkpoint) -> None:
    steps: list[str] = []
    assert obtain(checkpoint, steps).code != obtain(checkpoint, steps, "adreno-opencl").code
    assert len(list(cache_folder().iterdir())) == 2


@pytest.mark.parametrize("damage", ["kernels.cl", "weights.bin", "program.json", "foreign", "missing"])
def test_what_cannot_be_trusted_is_built_again(
    damage: str, checkpoint: Checkpoint, caplog: pytest.LogCaptureFixture
) -> None:
    steps: list[str] = []
    good = obtain(checkpoint, steps)
    (folder,) = cache_folder().iterdir()
    metadata = folder / library.METADATA
    if damage == "foreign":
        metadata.write_text(json.dumps({**json.loads(metadata.read_text("utf-8")), "tvm": "0.1"}), encoding="utf-8")
    elif damage == "missing":
        (folder / "weights.bin").unlink()
    else:
        content = bytearray((folder / damage).read_bytes())
        content[-1] ^= 1
        (folder / damage).write_bytes(content)
    steps.clear()
    with caplog.at_level(logging.WARNING):
        assert obtain(checkpoint, steps) == good
    assert steps
    assert "built again" in caplog.text
    assert [path.name for path in cache_folder().iterdir()] == [folder.name]


def test_an_unwritable_cache_says_what_to_do(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LITEPOSE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(CompilerError, match="LITEPOSE_CACHE"):
        obtain(checkpoint, [])


@given(
    st.lists(st.integers(1, 100), min_size=1, max_size=12).flatmap(
        lambda sizes: st.tuples(
            st.just(sizes), st.tuples(*(st.lists(st.integers(0, i), max_size=3) for i in range(len(sizes))))
        )
    )
)
def test_sharing_memory_changes_no_result(network: tuple[list[int], tuple[list[int], ...]]) -> None:
    """Step i writes activation i and reads some earlier ones: each must still be there."""
    sizes, reads = network
    buffers = [Buffer(Role.PICTURE, 7), *(Buffer(Role.WORK, size) for size in sizes)]
    steps = [Step(f"s{i}", (*sorted({0, *inputs}), i + 1)) for i, inputs in enumerate(reads)]
    kept, moved = share(buffers, steps)
    content: dict[int, int] = {0: 0}
    for before, after in zip(steps, moved):
        for old, new in zip(before.buffers[:-1], after.buffers[:-1]):
            assert content[new] == old
        written = after.buffers[-1]
        assert written not in after.buffers[:-1]
        assert kept[written].size >= buffers[before.buffers[-1]].size
        content[written] = before.buffers[-1]
    assert len(kept) <= len(buffers)
