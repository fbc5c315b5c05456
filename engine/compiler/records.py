"""What searches for the fastest tilings found: one JSON file per target, shipped with the program or the user's own.

{"format": 1, "target": NAME, "threads": {"2": {OPERATOR: {"tiling": …, "default_us": …, "best_us": …, "tried": …,
"kernels": …}}}}; for OPERATOR and its tiling see `engine.compiler.tilings`. Never imports TVM.
"""

import contextlib
import json
import logging
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import CompilerError
from models.json_text import from_json

FORMAT = 1
SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "tuning"
log = logging.getLogger(__name__)
Entries = dict[str, dict[str, Any]]


@dataclass(slots=True)
class Records:
    """threads: entries by operator, by the number of worker threads that they were measured with."""

    target: str
    threads: dict[int, Entries] = field(default_factory=dict)

    def entries(self, threads: int) -> Entries:
        return self.threads.setdefault(threads, {})

    def save(self, path: Path) -> None:
        """Replaces the file in one step. Raises CompilerError where it cannot be written."""
        content = {
            "format": FORMAT,
            "target": self.target,
            "threads": {str(count): dict(sorted(entries.items())) for count, entries in sorted(self.threads.items())},
        }
        partial: Path | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}-", delete=False
            ) as file:
                partial = Path(file.name)
                file.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
            partial.chmod(0o644)
            partial.replace(path)
        except OSError as error:
            if partial:
                with contextlib.suppress(OSError):
                    partial.unlink()
            raise CompilerError(
                f"The tuning records “{path}” cannot be written: {error.strerror or error}. Choose another file with "
                "--records."
            ) from error


def read(path: Path, target: str) -> Records:
    """The records in a file; none where it does not exist. Raises CompilerError for a file that is something else."""
    if not path.exists():
        return Records(target)
    try:
        content = from_json(path.read_text(encoding="utf-8"))
        return _parse(content, target)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CompilerError(
            f"The tuning records “{path}” cannot be used: {error}. Move the file away to start anew."
        ) from error


def _parse(content: Any, target: str) -> Records:
    if content["format"] != FORMAT:
        raise ValueError(f"format {content['format']!r} is not {FORMAT}")
    if content["target"] != target:
        raise ValueError(f"it is for the target “{content['target']}”, not “{target}”")
    records = Records(target)
    for count, entries in content["threads"].items():
        records.threads[int(count)] = {
            str(operator): dict(entry) for operator, entry in entries.items() if "tiling" in entry
        }
    return records


def file_name(target: str) -> str:
    return re.sub(r"[^\w.-]", "_", target)[:60] + ".json"


def tuned(target: str, threads: int, own_folder: Path) -> dict[str, Any]:
    """Tilings by operator for one target: the shipped ones, and over them the user's. A file that cannot be used is left
    aside with a line in the log."""
    found: dict[str, Any] = {}
    for folder in (SHIPPED, own_folder):
        try:
            entries = read(folder / file_name(target), target).entries(threads)
        except CompilerError as error:
            log.warning("%s", error)
            continue
        found |= {operator: entry["tiling"] for operator, entry in entries.items()}
    return found
