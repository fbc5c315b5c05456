"""A run's losses over time: CSV files and a plot of them."""

import contextlib
import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

LOSSES = ("heat4", "heat2", "pull", "push")
TRAINING = ("views", "minutes", "rate", "views_per_second", *LOSSES, "teacher")
VALIDATION = ("views", "loss", *LOSSES)
TITLES = ("heatmaps at stride 4", "heatmaps at stride 2", "pull", "push")


class Table:
    """A CSV file that grows; rows past the view that a run goes on from are dropped."""

    def __init__(self, path: Path, fields: Sequence[str], views: int) -> None:
        self._path, self._fields = path, fields
        if path.is_file():
            self._write([row for row in self.rows() if row["views"] <= views])

    def rows(self) -> list[dict[str, float]]:
        """Those that are whole: the machine may have stopped within one."""
        if not self._path.is_file():
            return []
        result = []
        with self._path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                with contextlib.suppress(KeyError, TypeError, ValueError):
                    result.append({name: float(row[name]) for name in self._fields})
        return result

    def add(self, row: Mapping[str, float]) -> None:
        if not self._path.is_file():
            self._write([])
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self._fields).writerow(self._texts(row))

    def _write(self, rows: Sequence[Mapping[str, float]]) -> None:
        with self._path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._fields)
            writer.writeheader()
            writer.writerows(self._texts(row) for row in rows)

    def _texts(self, row: Mapping[str, float]) -> dict[str, str]:
        return {name: f"{row[name]:.0f}" if name == "views" else f"{row[name]:.6g}" for name in self._fields}


class Journal:
    """`log.csv` of the training and, where there is a validation, `validation.csv`, in a run's folder."""

    def __init__(self, folder: Path, views: int) -> None:
        self.training = Table(folder / "log.csv", TRAINING, views)
        self.validation = Table(folder / "validation.csv", VALIDATION, views)

    def plot(self, path: Path) -> None:
        """Saves the losses over views as PNG. Imports matplotlib."""
        training, validation = self.training.rows(), self.validation.rows()
        if not training and not validation:
            return
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot as plt
        from matplotlib.ticker import EngFormatter

        figure, axes = plt.subplots(2, 2, figsize=(10, 6), sharex=True, layout="constrained")
        for axis, name, title in zip(axes.flat, LOSSES, TITLES):
            axis.plot([row["views"] for row in training], [row[name] for row in training], linewidth=1)
            axis.set_title(title)
            axis.grid(alpha=0.3)
            axis.xaxis.set_major_formatter(EngFormatter(sep=""))
            if validation:  # on a scale of its own: its changes are small
                other = axis.twinx()
                other.plot(
                    [row["views"] for row in validation], [row[name] for row in validation], "C1o-", markersize=3
                )
                other.tick_params(axis="y", colors="C1")
        if validation:
            figure.suptitle("blue: training, orange, at the right: validation", fontsize="medium")
        figure.supxlabel("views")
        figure.savefig(path, dpi=110)
        plt.close(figure)
