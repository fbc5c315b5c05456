"""A text file that grows by whole lines: killed or on a full disk, it ends with the last line that fitted."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from engine.sinks.sink import expect_free, write_failure


class LineFile:
    """UTF-8. Every line is handed to the operating system before `append` returns. Raises SinkError."""

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        expect_free(path, overwrite)
        self.path = path
        try:
            # Exclusive creation: nobody else may have made it since it was looked for.
            self._file = path.open("wb+" if overwrite else "xb+", buffering=0)
        except OSError as error:
            raise write_failure(path, error) from error
        self._length = 0

    def append(self, line: str) -> None:
        data = memoryview(line.encode() + b"\n")
        try:
            written = 0
            while written < len(data):
                # The system may take less than it is given when the disk gets full, before it says so.
                written += self._file.write(data[written:]) or 0
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(self._length)
            raise write_failure(self.path, error) from error
        self._length += len(data)

    def lines(self) -> Iterator[str]:
        """Everything appended so far, from the start."""
        with self.path.open(encoding="utf-8") as file:
            for line in file:
                yield line.rstrip("\n")

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            raise write_failure(self.path, error) from error
