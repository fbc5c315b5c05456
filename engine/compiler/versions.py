"""What compiled networks depend on beside their weights and target: our kernels and TVM."""

import hashlib
import importlib.metadata
from functools import cache
from pathlib import Path

# Parts of this package that store, find and run networks, and have no say in what is compiled.
AROUND = {
    "__init__",
    "artifacts",
    "export",
    "ffi",
    "folders",
    "gpu",
    "host",
    "library",
    "pruning",
    "records",
    "runtime",
    "targets",
    "tuning",
    "vectors",
    "versions",
}


@cache
def kernels_version() -> str:
    """Changes whenever the source of the compiler does, so that no old library outlives its kernels."""
    root = Path(__file__).parent
    sources = [path for path in root.rglob("*.py") if path.relative_to(root).with_suffix("").parts[0] not in AROUND]
    return _digest(root, sources)


@cache
def gpu_version() -> str:
    """Changes whenever the source of the GPU's part of the compiler does."""
    root = Path(__file__).parent / "gpu"
    return _digest(root, list(root.rglob("*.py")))


def _digest(root: Path, sources: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(sources):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def tvm_version() -> str:
    return importlib.metadata.version("apache-tvm")
