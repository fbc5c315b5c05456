"""A text file that grows by whole lines: killed or on a full disk, it ends with the last line that fitted."""

import contextlib
import os
from pathlib import Path

from engine.sinks.output_file import create_file, write_failure


class LineFile:
    """UTF-8. Every line is handed to the operating system before `append` returns. Raises SinkError."""

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.path = path
        self._file = os.fdopen(create_file(path, overwrite=overwrite), "r+b", buffering=0)
        self._length = 0

    def append(self, line: str) -> None:
        data = memoryview(line.encode("utf-8", "surrogateescape") + b"\n")
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

    def close(self, *, keep: bool = True) -> None:
        try:
            self._file.close()
            if not keep:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            raise write_failure(self.path, error) from error
