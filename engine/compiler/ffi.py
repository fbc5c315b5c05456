"""TVM's Python packages, imported without what they would drag in."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


@contextmanager
def without_torch() -> Iterator[None]:
    """Imports inside do not find torch, unless the program uses it already.

    TVM imports torch wherever it is installed, only to exchange tensors with it: seconds and 200 MB that neither running
    nor compiling needs.
    """
    hidden = "torch" not in sys.modules
    if hidden:
        sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hidden:
            del sys.modules["torch"]


@cache
def load() -> Any:
    """TVM's foreign-function interface, the module `tvm_ffi`. To be called before anything else imports it."""
    with without_torch():
        import tvm_ffi
    return tvm_ffi
