"""What lies over the picture for a while: toasts, a banner, the card of a build or of an empty stage."""

import time
from collections.abc import Callable

from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

TOAST_MS = 8000
CARD_WIDTH, TOAST_WIDTH = 360, 380
BAR_HEIGHT = 6
MOST_STEPS = 4
SLOW_S = 3  # from then on it helps to see that time passes
Action = tuple[str, Callable[[], None]]


def wrap(label: QLabel, text: str, width: int) -> None:
    """Gives the label the height that the text has at this width: a layout over the picture would cut it."""
    label.setWordWrap(True)
    label.setText(text)
    label.ensurePolished()
    label.setFixedSize(width, label.heightForWidth(width))


def listed(steps: list[str]) -> list[str]:
    """The last steps of some work, of which only the very last one is still being done."""
    return [f"✓  {text}" for text in steps[-MOST_STEPS:-1]] + [f"•  {text}" for text in steps[-1:]]


class Toast(QFrame):
    """A sentence with up to two actions; goes by itself, unless the mouse is on it."""

    def __init__(self, text: str, actions: tuple[Action, ...] = (), kind: str = "good") -> None:
        super().__init__()
        self.setObjectName("banner")
        self.setProperty("kind", kind)
        self.text = text
        label = QLabel()
        label.ensurePolished()
        wrap(label, text, min(TOAST_WIDTH, label.fontMetrics().horizontalAdvance(text) + 8))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 10, 12, 10)
        layout.addWidget(label)
        row = QHBoxLayout()
        row.addStretch()
        self.buttons = []
        for name, act in actions:
            button = QPushButton(name)
            button.clicked.connect(act)
            button.clicked.connect(self.hide)
            button.clicked.connect(self.deleteLater)
            row.addWidget(button)
            self.buttons.append(button)
        if actions:
            layout.addLayout(row)
        self.setAccessibleName(text)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._expire)
        self._timer.start(TOAST_MS)

    def _expire(self) -> None:
        if not self.underMouse():
            self.deleteLater()
            self.hide()


class Banner(QFrame):
    """Beside a picture that goes on: a state that lasts, the seconds that it has lasted, and the steps of what is done."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("banner")
        self.label = QLabel()
        self.steps = QLabel()
        self.steps.setObjectName("faint")
        self.bar = QProgressBar()
        self.bar.setRange(0, 0)
        self.bar.setFixedSize(70, BAR_HEIGHT)
        self.bar.setTextVisible(False)
        head = QHBoxLayout()
        head.setSpacing(12)
        head.addWidget(self.label)
        head.addStretch()
        head.addWidget(self.bar)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 8, 14, 8)
        layout.setSpacing(4)
        layout.addLayout(head)
        layout.addWidget(self.steps)
        self._text, self._since = "", 0.0
        self._steps: list[str] = []
        self._timer = QTimer(self)
        self._timer.setInterval(1000)
        self._timer.timeout.connect(self._show_seconds)
        self.hide()

    @property
    def told(self) -> str:
        """The sentence that is shown, or nothing."""
        return self._text

    def tell(self, text: str) -> None:
        """Shows the sentence; an empty one hides the banner."""
        if text != self._text:
            self._steps, self._since = [], time.monotonic()
        if text:
            self._timer.start()
        else:
            self._timer.stop()
        self._text = text
        self._show_seconds()
        self._show_steps()
        self.setAccessibleName(text)
        self.setVisible(bool(text))

    def step(self, text: str) -> None:
        """The next step of what the sentence says."""
        self._steps.append(text)
        self._show_steps()

    def _show_seconds(self) -> None:
        seconds = int(time.monotonic() - self._since)
        self.label.setText(f"{self._text}  ({seconds} s)" if seconds >= SLOW_S else self._text)

    def _show_steps(self) -> None:
        self.steps.setText("\n".join(listed(self._steps)))
        self.steps.setVisible(bool(self._steps))


class Card(QFrame):
    """The middle of an empty stage: what is going on, or why there is no picture and what can be done."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("card")
        self.title = QLabel()
        self.title.setObjectName("title")
        self.text = QLabel()
        self.text.setObjectName("faint")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(BAR_HEIGHT)
        self.steps = QLabel()
        self.steps.setObjectName("faint")
        self.buttons = QHBoxLayout()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 20, 24, 20)
        layout.setSpacing(10)
        for widget in (self.title, self.text, self.bar, self.steps):
            layout.addWidget(widget)
        layout.addLayout(self.buttons)
        self._step_texts: list[str] = []
        self._since = 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(250)
        self._timer.timeout.connect(self._show_steps)
        self.hide()

    def show_progress(self, title: str, text: str) -> None:
        """Work of unknown length has begun; `step` tells what it does."""
        self._show(title, text, ())
        self._step_texts, self._since = [], time.monotonic()
        self.bar.setRange(0, 0)
        self.bar.show()
        self._timer.start()

    def step(self, text: str) -> None:
        """The next step of the work that is shown."""
        self._step_texts.append(text)
        self._show_steps()

    def show_message(self, title: str, text: str, actions: tuple[Action, ...] = ()) -> None:
        self._show(title, text, actions)
        self._timer.stop()
        self.bar.hide()
        self.steps.hide()

    @property
    def shows_progress(self) -> bool:
        return self.isVisibleTo(self.parentWidget()) and self._timer.isActive()

    @property
    def told_steps(self) -> tuple[str, ...]:
        return tuple(self._step_texts)

    def put_away(self) -> None:
        self._timer.stop()
        self.hide()

    def _show(self, title: str, text: str, actions: tuple[Action, ...]) -> None:
        wrap(self.title, title, CARD_WIDTH)
        wrap(self.text, text, CARD_WIDTH)
        self.setAccessibleName(f"{title}. {text}")
        while (item := self.buttons.takeAt(0)) is not None:
            old: QWidget | None = item.widget()
            if old is not None:
                old.deleteLater()
        for index, (name, act) in enumerate(actions):
            button = QPushButton(name)
            button.setDefault(index == 0)
            button.clicked.connect(act)
            self.buttons.addWidget(button)
        self.buttons.addStretch()
        self.show()

    def _show_steps(self) -> None:
        seconds = time.monotonic() - self._since
        lines = listed(self._step_texts) or [""]
        lines[-1] = f"{lines[-1]}  ({seconds:.0f} s)".strip()
        wrap(self.steps, "\n".join(lines), CARD_WIDTH)
        self.steps.show()
