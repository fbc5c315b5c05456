"""Turns the session's events into what the user sees: the card, the banner, toasts."""

from collections.abc import Callable
from enum import Enum, auto

from PyQt6.QtCore import QCoreApplication, QObject, pyqtSignal
from PyQt6.QtGui import QGuiApplication

from app.sources import DEMO
from app.stage import Stage
from engine.live import Event, EventKind, SessionState

translate = QCoreApplication.translate


class Phase(Enum):
    """What the stage is showing."""

    WAITING = auto()
    """No picture yet: a card with the steps."""
    SHOWING = auto()
    FAILED = auto()
    """A card says why there is no picture."""


class Narrator(QObject):
    """Hears every event. The phase decides whether a step of work is told on a card or, beside a picture, in the banner."""

    retry_wanted = pyqtSignal()
    source_wanted = pyqtSignal(str)
    failed = pyqtSignal()
    """There is nothing to show any more."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        self.phase = Phase.WAITING
        self._tell: dict[EventKind, Callable[[Event], None]] = {
            EventKind.STATE: self._state,
            EventKind.PROGRESS: self._progress,
            EventKind.SIZE: self._settled,
            EventKind.SOURCE: self._settled,
            EventKind.LOST: self._lost,
            EventKind.WARNING: self._warning,
            EventKind.FAILURE: self._failure,
        }

    def begin(self) -> None:
        """A session starts with an empty stage."""
        self.phase = Phase.WAITING
        self._stage.banner.tell("")
        self._stage.card.show_progress(
            translate("Narrator", "Getting ready"),
            translate("Narrator", "The network is built for this machine once. From then on it starts at once."),
        )

    def first_picture(self) -> None:
        """There is something to look at, so the card goes; a build that still runs is told in the banner."""
        if self.phase is Phase.WAITING:
            self.phase = Phase.SHOWING
            if self._stage.card.shows_progress:
                for step in self._stage.card.told_steps:
                    self._tell_step(step)
            self._stage.card.put_away()

    def hear(self, event: Event) -> None:
        tell = self._tell.get(event.kind)
        if tell is not None:
            tell(event)

    def switching(self, text: str) -> None:
        """The user asked for another size or source; the picture goes on meanwhile."""
        if self.phase is Phase.SHOWING:
            self._stage.banner.tell(text)

    def _state(self, event: Event) -> None:
        if event.state is SessionState.RECONNECTING:
            self._stage.banner.tell(translate("Narrator", "Reconnecting…"))
        elif event.state in (SessionState.RUNNING, SessionState.PAUSED):
            self._stage.banner.tell("")

    def _progress(self, event: Event) -> None:
        if self.phase is Phase.SHOWING:
            self._tell_step(event.text)
        else:
            self._stage.card.step(event.text)

    def _tell_step(self, text: str) -> None:
        if not self._stage.banner.told:
            self._stage.banner.tell(translate("Narrator", "The network is built for this machine, once"))
        self._stage.banner.step(text)

    def _settled(self, event: Event) -> None:
        if event.state is not SessionState.RECONNECTING:
            self._stage.banner.tell("")

    def _lost(self, event: Event) -> None:
        self._stage.banner.tell(event.text)

    def _warning(self, event: Event) -> None:
        self._stage.banner.tell("")
        self._stage.toast(event.text, self._details_action(event), kind="warning")

    def _failure(self, event: Event) -> None:
        self.phase = Phase.FAILED
        self._stage.banner.tell("")
        self.failed.emit()
        self._stage.card.show_message(
            translate("Narrator", "No picture"),
            event.text,
            (
                (translate("Narrator", "Try again"), self.retry_wanted.emit),
                (translate("Narrator", "Play the demo"), lambda: self.source_wanted.emit(DEMO)),
                *self._details_action(event),
            ),
        )

    def _details_action(self, event: Event) -> tuple[tuple[str, Callable[[], None]], ...]:
        if not event.details:
            return ()
        return ((translate("Narrator", "Copy details"), lambda: _copy(f"{event.text}\n\n{event.details}")),)


def _copy(text: str) -> None:
    clipboard = QGuiApplication.clipboard()
    if clipboard is not None:
        clipboard.setText(text)
