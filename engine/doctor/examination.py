"""Runs all sections. A package that is missing costs the sections that need it, not the report."""

import importlib
from collections.abc import Callable, Iterator
from typing import cast

from engine.doctor.findings import Finding, Section, State
from models.errors import LitePoseError

# Title -> the module whose `examine` looks at it.
SECTIONS = {
    "Python": "engine.doctor.packages",
    "Processor": "engine.doctor.processor",
    "Compiler": "engine.doctor.compiler",
    "GPU": "engine.doctor.gpus",
    "Networks": "engine.doctor.networks",
    "Cache": "engine.doctor.cache",
    "Cameras": "engine.doctor.cameras",
    "Videos": "engine.doctor.videos",
    "Screen": "engine.doctor.screen",
}
INSTALL = "pip install -r requirements.txt"


def examine(load: Callable[[str], Section] | None = None) -> Iterator[tuple[str, list[Finding]]]:
    """Title and findings of each section, one after the other, since some take seconds."""
    for title, module in SECTIONS.items():
        yield title, _examine(module, load or _load)


def _load(module: str) -> Section:
    return cast(Section, importlib.import_module(module).examine)


def _examine(module: str, load: Callable[[str], Section]) -> list[Finding]:
    try:
        return load(module)()
    except ImportError as error:
        return [Finding("cannot be examined", str(error), State.FAULT, INSTALL)]
    except LitePoseError as error:
        return [Finding("cannot be examined", str(error), State.FAULT)]


def healthy(sections: dict[str, list[Finding]]) -> bool:
    return not any(finding.state is State.FAULT for findings in sections.values() for finding in findings)
