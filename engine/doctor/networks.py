"""Which sizes have weights, and whether the files are whole."""

from engine.doctor.findings import Finding, State
from models import architecture, checkpoints, manifest
from models.errors import LitePoseError


def examine() -> list[Finding]:
    findings = [_size(size) for size in architecture.available()]
    if not any(finding.state is State.GOOD for finding in findings):
        findings.append(Finding("weights", "of no size can be used", State.FAULT, "Install the program again"))
    return findings


def _size(size: str) -> Finding:
    try:
        weights = manifest.find(size)
        if weights is None:
            return Finding(size, "no weights yet", State.NOTE, f"main.py models import FILE --size {size}")
        checkpoint = checkpoints.load(size)
    except LitePoseError as error:
        return Finding(size, str(error), State.FAULT)
    accuracy = f", AP {weights.figures[0].ap:.3f}" if weights.figures else ""
    origin = "imported" if weights.imported else f"of {weights.date}"
    return Finding(size, f"weights {origin}{accuracy}, {checkpoint.skeleton.name}: {weights.path}")
