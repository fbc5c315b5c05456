"""The line below the picture: what is read, what runs on what, what was lost. And the same facts for the panel."""

from PyQt6.QtCore import QCoreApplication
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QWidget

from engine.compiler import targets
from engine.live import LiveResult, SessionState, SourceInfo
from engine.statistics import Statistics
from engine.types import Backend

translate = QCoreApplication.translate


NARROW = 640  # pixels
UNKNOWN = "–"


class StatusLine(QWidget):
    """Text only; what does not fit is cut from the right."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("status")
        self.state, self.source, self.network, self.drops = QLabel(), QLabel(), QLabel(), QLabel()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(14, 4, 14, 4)
        layout.setSpacing(18)
        for label in (self.state, self.source, self.network):
            layout.addWidget(label)
        layout.addStretch()
        layout.addWidget(self.drops)

    def show_width(self, width: int) -> None:
        """Leaves out what a narrow window has no room for."""
        self.network.setVisible(width >= NARROW)
        self.state.setVisible(width >= NARROW)

    def show_state(self, state: SessionState) -> None:
        self.state.setText(state_text(state))

    def show_source(self, source: SourceInfo | None) -> None:
        self.source.setText("" if source is None else format_of(source))

    def show_network(self, text: str) -> None:
        self.network.setText(text)

    def show_statistics(self, statistics: Statistics) -> None:
        if not statistics.inferred:
            self.drops.clear()
            return
        lost = [translate("Status", "{count} frames skipped").format(count=statistics.dropped)]
        if statistics.recorder_dropped:
            lost.append(translate("Status", "{count} lost by the recording").format(count=statistics.recorder_dropped))
        if statistics.reconnects:
            lost.append(translate("Status", "{count}× reconnected").format(count=statistics.reconnects))
        self.drops.setText(" · ".join(lost))


def state_text(state: SessionState) -> str:
    """In the user's language."""
    return {
        SessionState.IDLE: translate("Status", "Stopped"),
        SessionState.STARTING: translate("Status", "Starting"),
        SessionState.RUNNING: translate("Status", "Running"),
        SessionState.PAUSED: translate("Status", "Paused"),
        SessionState.RECONNECTING: translate("Status", "Reconnecting"),
        SessionState.SWITCHING: translate("Status", "Switching"),
        SessionState.STOPPING: translate("Status", "Stopping"),
        SessionState.FAILED: translate("Status", "Failed"),
    }[state]


def format_of(source: SourceInfo) -> str:
    """Size and rate of the pictures: 1280×720, 30 fps."""
    parts = [f"{source.size[0]}×{source.size[1]}"] if source.size else []
    if source.fps:
        parts.append(f"{source.fps:.4g} fps")
    return f"{source.name} · {', '.join(parts)}" if parts else source.name


def facts(source: SourceInfo | None, size: str, result: LiveResult | None, threads: int | None) -> dict[str, str]:
    """What is running on what, by what it is called. threads: those that were asked for, None for as many as suit."""
    rows = {translate("Status", "Source"): format_of(source) if source else UNKNOWN}
    rows[translate("Status", "Network")] = size.upper()
    fine = result.estimate.maps[1].shape if result else None
    rows[translate("Status", "Input")] = f"{2 * int(fine[2])}×{2 * int(fine[1])}" if fine else UNKNOWN
    rows[translate("Status", "Joints")] = result.poses.skeleton.name if result else UNKNOWN
    backend = result.estimate.backend if result else Backend(UNKNOWN)
    rows[translate("Status", "Runs on")] = f"{backend.device} · TVM" if backend.artifact else backend.device
    rows[translate("Status", "Target")] = backend.target or UNKNOWN
    rows[translate("Status", "Threads")] = str(threads or targets.default_threads())
    rows[translate("Status", "Compiled")] = backend.artifact or UNKNOWN
    return rows


def network_line(rows: dict[str, str]) -> str:
    """The middle of the status line, from the facts."""
    names = ("Network", "Input", "Target", "Threads")
    named = {name: rows.get(translate("Status", name), UNKNOWN) for name in names}
    threads = translate("Status", "{count} threads").format(count=named["Threads"])
    return " · ".join(part for part in (named["Network"], named["Input"], named["Target"], threads) if part != UNKNOWN)
