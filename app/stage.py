"""The picture with what may lie over it: a banner above, a card in the middle, toasts below."""

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QVBoxLayout

from app.notices import Action, Banner, Card, Toast
from app.video_view import VideoView

MOST_TOASTS = 3


class Stage(VideoView):
    """Notices are children of the view: they move with it, and clicks on them do not reach the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.banner = Banner()
        self.card = Card()
        self._toasts = QVBoxLayout()
        self._toasts.setSpacing(8)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 14, 14, 14)
        layout.addWidget(self.banner, alignment=Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch()
        layout.addWidget(self.card, alignment=Qt.AlignmentFlag.AlignCenter)
        layout.addStretch()
        layout.addLayout(self._toasts)

    @property
    def toasts(self) -> list[Toast]:
        """Those on the screen, oldest first."""
        items = [self._toasts.itemAt(row) for row in range(self._toasts.count())]
        widgets = [item.widget() for item in items if item is not None]
        return [widget for widget in widgets if isinstance(widget, Toast) and not widget.isHidden()]

    def toast(self, text: str, actions: tuple[Action, ...] = (), kind: str = "good") -> None:
        """kind: "good", "warning" or "error"."""
        for shown in self.toasts:
            if shown.text == text:  # said again: no need to say it twice
                shown.hide()
                shown.deleteLater()
        for old in self.toasts[: max(0, len(self.toasts) - MOST_TOASTS + 1)]:
            old.hide()
            old.deleteLater()
        new = Toast(text, actions, kind)
        self._toasts.addWidget(new, alignment=Qt.AlignmentFlag.AlignRight)
        new.show()
