"""A run's losses over time: a CSV file and a plot of it."""

import csv
from collections.abc import Mapping
from pathlib import Path

FIELDS = ("views", "minutes", "rate", "views_per_second", "heat4", "heat2", "pull", "push", "teacher")
PLOTTED = (("heat4", "heatmaps at stride 4"), ("heat2", "heatmaps at stride 2"), ("pull", "pull"), ("push", "push"))


class Journal:
    """Appends to `log.csv` in a folder; rows past the view that a run goes on from are dropped."""

    def __init__(self, folder: Path, views: int) -> None:
        self.path = folder / "log.csv"
        rows = [row for row in self.rows() if float(row["views"]) <= views]
        with self.path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(rows)

    def rows(self) -> list[dict[str, str]]:
        if not self.path.is_file():
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def add(self, row: Mapping[str, float]) -> None:
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, FIELDS).writerow({name: f"{row[name]:.6g}" for name in FIELDS})

    def plot(self, path: Path) -> None:
        """Saves the losses over views as PNG. Imports matplotlib."""
        rows = self.rows()
        if not rows:
            return
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot as plt

        views = [float(row["views"]) for row in rows]
        figure, axes = plt.subplots(2, 2, figsize=(10, 6), sharex=True, layout="constrained")
        for axis, (name, title) in zip(axes.flat, PLOTTED):
            axis.plot(views, [float(row[name]) for row in rows], linewidth=1)
            axis.set_title(title)
            axis.grid(alpha=0.3)
        figure.supxlabel("views")
        figure.savefig(path, dpi=110)
        plt.close(figure)
