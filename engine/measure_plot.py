"""Angles and speeds over time as a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import SinkError
from engine.measure import LONGEST_GAP_S, TRUNK_LEAN, PersonMeasures
from engine.sinks.output_file import write_failure
from engine.types import UNTRACKED

# More people than colours that can be told apart are not drawn.
MOST_PEOPLE = 6


@dataclass(frozen=True, slots=True)
class Panel:
    """What one part of the figure shows. smallest_span: noise must not be stretched to fill it."""

    name: str
    unit: str
    speed: bool
    smallest_span: float

    def curves(self, person: PersonMeasures) -> list[tuple[str, NDArray[np.float64]]]:
        """(line style, values over time) of both sides, or of the one there is."""
        values = person.speeds if self.speed else person.angles
        scale = person.height if self.speed else 1.0
        names = {"-": f"left_{self.name}", "--": f"right_{self.name}", "": self.name}
        return [(style or "-", values[name] / scale) for style, name in names.items() if name in values]


PANELS = (
    *(Panel(limb, "degrees", False, 40.0) for limb in ("elbow", "shoulder", "hip", "knee")),
    Panel(TRUNK_LEAN, "degrees", False, 20.0),
    *(Panel(joint, "body heights/s", True, 0.2) for joint in ("wrist", "ankle")),
)


def plot_measures(people: Sequence[PersonMeasures], path: Path, title: str) -> list[int]:
    """Writes a PNG, SVG or PDF: a panel for each joint that was seen, left and right apart. -> ids of who is on it.

    Those seen longest are drawn. Raises SinkError where it cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise SinkError("Plots need the package matplotlib: pip install matplotlib.") from None

    shown = sorted(people, key=lambda person: -len(person.times_s))[:MOST_PEOPLE]
    shown.sort(key=lambda person: person.number)
    panels = [panel for panel in PANELS if any(np.isfinite(c).any() for p in shown for _, c in panel.curves(p))]
    figure = Figure(figsize=(10, 0.8 + 2.1 * max(1, len(panels))), layout="constrained")
    axes = figure.subplots(max(1, len(panels)), 1, sharex=True, squeeze=False)[:, 0]
    for axis, panel in zip(axes, panels):
        for number, person in enumerate(shown):
            label = "person" if person.number == UNTRACKED else f"person {person.number}"
            for style, values in panel.curves(person):
                times, values = _with_gaps(person.times_s, values)
                axis.plot(times, values, style, color=f"C{number}", linewidth=1.2, label=label)
                label = "_"  # one entry of the legend is enough for both sides
        low, high = axis.get_ylim()
        middle, half = (low + high) / 2, max(high - low, panel.smallest_span) / 2
        axis.set_ylim(middle - half, middle + half)
        axis.set_ylabel(f"{panel.name.replace('_', ' ')}\n{panel.unit}", fontsize=8)
        axis.grid(alpha=0.3)
        axis.tick_params(labelsize=8)
    figure.suptitle(f"{title} (solid: left, dashed: right)", fontsize=10)
    axes[-1].set_xlabel("seconds")
    if panels:
        figure.legend(*axes[0].get_legend_handles_labels(), fontsize=8, loc="outside upper left", ncols=MOST_PEOPLE)
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise write_failure(path, error) from error
    except ValueError:
        raise SinkError(f"“{path}” names no known kind of plot. Name it .png, .svg or .pdf.") from None
    return [person.number for person in shown]


def _with_gaps(
    times: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A line must not join what lies on both sides of an absence."""
    breaks = np.flatnonzero(np.diff(times) > LONGEST_GAP_S) + 1
    return np.insert(times, breaks, np.nan), np.insert(values, breaks, np.nan)
