"""The panel beside the picture: delay over the last minute, the stages, and what is running on what."""

import time
from collections import deque

import pyqtgraph
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QFormLayout,
    QGridLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.readout import stage_colour, stage_name
from app.theme import Theme
from engine.statistics import Statistics

SECONDS = 60
WIDTH = 320


class StatisticsPanel(QWidget):
    """Shows what it is given; keeps the last minute of delays."""

    copy_wanted = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedWidth(WIDTH)
        self._times: deque[float] = deque(maxlen=10 * SECONDS)
        self._p50: deque[float] = deque(maxlen=10 * SECONDS)
        self._p95: deque[float] = deque(maxlen=10 * SECONDS)

        self.plot = pyqtgraph.PlotWidget()
        self.plot.setFixedHeight(130)
        self.plot.setAccessibleName(self.tr("Delay over the last minute"))
        self.plot.setMenuEnabled(False)
        self.plot.setMouseEnabled(False, False)
        self.plot.hideButtons()
        self.plot.setXRange(-SECONDS, 0, padding=0)
        self._p95_curve = self.plot.plot()
        self._p50_curve = self.plot.plot()
        self._legend = QLabel()
        self._legend.setTextFormat(Qt.TextFormat.RichText)

        self._stages = QGridLayout()
        self._stages.setHorizontalSpacing(10)
        self._stages.setVerticalSpacing(5)
        self._stages.setColumnStretch(1, 1)
        self._rows: dict[str, tuple[QLabel, QLabel, QLabel]] = {}
        self._facts = QFormLayout()
        self._facts.setHorizontalSpacing(14)
        self._facts.setVerticalSpacing(5)
        self._facts.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self._values: dict[str, QLabel] = {}

        copy = QPushButton(self.tr("Copy as text"))
        copy.clicked.connect(lambda: self.copy_wanted.emit())
        content = QWidget()
        content.setMaximumWidth(WIDTH - 12)  # beside the scroll bar
        self.plot.setMinimumWidth(0)
        column = QVBoxLayout(content)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(8)
        column.addWidget(_heading(self.tr("Delay, capture to screen")))
        column.addWidget(self._legend)
        column.addWidget(self.plot)
        column.addSpacing(8)
        column.addWidget(_heading(self.tr("Milliseconds per frame")))
        column.addLayout(self._stages)
        column.addSpacing(8)
        column.addWidget(_heading(self.tr("Running")))
        column.addLayout(self._facts)
        column.addStretch()
        column.addWidget(copy)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area)
        self._stage_heads()

    def set_theme(self, colours: Theme) -> None:
        self.plot.setBackground(None)
        self._p50_curve.setPen(pyqtgraph.mkPen(colours.accent, width=2))
        self._p95_curve.setPen(pyqtgraph.mkPen(colours.faint, width=1))
        for side in ("left", "bottom"):
            axis = self.plot.getAxis(side)
            axis.setPen(pyqtgraph.mkPen(colours.line))
            axis.setTextPen(colours.faint)
        self._colours = colours
        self._tell_legend(None, None)

    def add(self, statistics: Statistics) -> None:
        """One more sample of a running session."""
        if latency := statistics.capture_to_paint:
            self._times.append(time.monotonic())
            self._p50.append(latency.p50)
            self._p95.append(latency.p95)
        if not self.isVisible():
            return
        now = time.monotonic()
        x = [at - now for at in self._times]
        self._p50_curve.setData(x, list(self._p50))
        self._p95_curve.setData(x, list(self._p95))
        shown = [value for at, value in zip(x, self._p95) if at >= -SECONDS]
        self.plot.setYRange(0, max([*shown, 20.0]) * 1.1, padding=0)
        if latency := statistics.capture_to_paint:
            self._tell_legend(latency.p50, latency.p95)
        self._show_stages(statistics)

    def show_facts(self, facts: dict[str, str]) -> None:
        """What is running, as (name, value); a name keeps its place."""
        for name, value in facts.items():
            if name not in self._values:
                label, shown = QLabel(name), QLabel()
                label.setObjectName("faint")
                shown.setWordWrap(True)
                shown.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                self._facts.addRow(label, shown)
                self._values[name] = shown
            # Names of files are long words: they may be broken after a hyphen.
            self._values[name].setText(value.replace("-", "-\u200b"))

    def stage_texts(self) -> dict[str, tuple[str, str]]:
        """Median and 95th percentile of each stage, as shown."""
        return {name: (p50.text(), p95.text()) for name, (_, p50, p95) in self._rows.items()}

    def _tell_legend(self, p50: float | None, p95: float | None) -> None:
        accent, faint = self._colours.accent, self._colours.faint
        middle = "" if p50 is None else f" {p50:.0f} ms"
        high = "" if p95 is None else f" {p95:.0f} ms"
        median = self.tr("median")
        self._legend.setText(
            f'<span style="color:{accent}">━</span> {median}{middle} &nbsp; <span style="color:{faint}">━</span> p95{high}'
        )

    def _stage_heads(self) -> None:
        for column, text in ((2, self.tr("median")), (3, "p95")):
            label = QLabel(text)
            label.setObjectName("faint")
            self._stages.addWidget(label, 0, column, Qt.AlignmentFlag.AlignRight)

    def _show_stages(self, statistics: Statistics) -> None:
        for index, (name, times) in enumerate(statistics.stages.items()):
            if name not in self._rows:
                sign, label, p50, p95 = QLabel("■"), QLabel(stage_name(name)), QLabel(), QLabel()
                sign.setStyleSheet(f"color: {stage_colour(index).name()}")
                row = len(self._rows) + 1
                self._stages.addWidget(sign, row, 0)
                self._stages.addWidget(label, row, 1)
                self._stages.addWidget(p50, row, 2, Qt.AlignmentFlag.AlignRight)
                self._stages.addWidget(p95, row, 3, Qt.AlignmentFlag.AlignRight)
                self._rows[name] = (label, p50, p95)
            _, p50, p95 = self._rows[name]
            p50.setText(f"{times.p50:.1f}")
            p95.setText(f"{times.p95:.1f}")


def report(facts: dict[str, str], lines: list[str]) -> str:
    """What “Copy” puts on the clipboard."""
    width = max(map(len, facts), default=0)
    return "\n".join([*lines, "", *(f"{name:{width}}  {value}" for name, value in facts.items())]) + "\n"


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("heading")
    label.setWordWrap(True)
    return label
