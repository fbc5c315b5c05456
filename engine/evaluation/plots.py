"""Figures of an evaluation as PNG files. Imports matplotlib."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from engine.evaluation.correctness import REACH, JointErrors
from engine.evaluation.precision import RECALLS, Precision
from models.skeleton import Skeleton


def save_precision_recall(parts: Mapping[str, Precision], path: Path) -> None:
    """Precision over recall at object keypoint similarity 0.5 and 0.75, a line per set."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True, layout="constrained")
    for axis, row, name in ((axes[0], 0, "0.50"), (axes[1], 5, "0.75")):
        for part, one in parts.items():
            if one.people:
                axis.plot(RECALLS, one.curves[row], label=f"{part}: AP {one.curves[row].mean():.3f}")
        axis.set(title=f"OKS ≥ {name}", xlabel="recall", xlim=(0, 1), ylim=(0, 1.02))
        axis.grid(alpha=0.3)
        axis.legend()
    axes[0].set_ylabel("precision")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def save_joint_errors(errors: JointErrors, skeleton: Skeleton, path: Path) -> None:
    """Per joint: the shares within half of REACH, within REACH, further away, and not found."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    bounds = (
        (0, REACH / 2, "#1b7f4d"),
        (REACH / 2, REACH, "#8ccf9f"),
        (REACH, np.inf, "#e3a04f"),
        (np.inf, None, "#9b9b9b"),
    )
    names = (f"within {REACH / 2:g} torso", f"within {REACH:g}", "further away", "not found")
    figure, axis = plt.subplots(figsize=(9, 5), layout="constrained")
    places, left = np.arange(skeleton.joint_count), np.zeros(skeleton.joint_count)
    labelled = np.maximum(1, (~np.isnan(errors.distance)).sum(axis=0))
    for (low, high, colour), name in zip(bounds, names):
        d = errors.distance
        inside = np.isposinf(d) if high is None else (d >= low) & (d < high)
        share = inside.sum(axis=0) / labelled
        axis.barh(places, share, left=left, color=colour, label=name)
        left += share
    axis.set_yticks(places, [name.replace("_", " ") for name in skeleton.joints])
    axis.invert_yaxis()
    axis.set(xlim=(0, 1), xlabel="share of labelled joints")
    figure.legend(loc="outside upper center", ncols=4)
    figure.savefig(path, dpi=120)
    plt.close(figure)
