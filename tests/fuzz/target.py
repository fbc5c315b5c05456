"""One thing that reads what strangers may have written, and how it is tried."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis.strategies import SearchStrategy

from models.errors import LitePoseError

Check = Callable[[Any], None]


@dataclass(frozen=True)
class Target:
    """inputs: makes the strategy (late, because some have to encode a video first).

    prepare: gives, for as long as it is entered, the check of one input. It raises whatever a user would see as a crash; a
    LitePoseError is an answer.
    """

    name: str
    inputs: Callable[[], SearchStrategy[Any]]
    prepare: Callable[[Path], AbstractContextManager[Check]]


@contextlib.contextmanager
def checking(target: Target) -> Iterator[Check]:
    """The check of a target in a folder of its own, which is the current one; answers are no errors any more."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="litepose-fuzz-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        os.chdir(folder)
        try:
            with target.prepare(folder) as check:

                def answered(value: Any) -> None:
                    with contextlib.suppress(LitePoseError):
                        check(value)

                yield answered
        finally:
            os.chdir(before)


def reads(name: str, file: str, inputs: Callable[[], SearchStrategy[bytes]], read: Callable[[Path], object]) -> Target:
    """A target that is a function of a file."""

    @contextlib.contextmanager
    def prepare(folder: Path) -> Iterator[Check]:
        path = folder / file

        def check(data: bytes) -> None:
            path.write_bytes(data)
            read(path)

        yield check

    return Target(name, inputs, prepare)
