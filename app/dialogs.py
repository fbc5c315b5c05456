"""The small dialogs: an error with its details, an address to open."""

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QFontDatabase, QGuiApplication
from PyQt6.QtWidgets import QDialog, QHBoxLayout, QLabel, QLineEdit, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from app.icons import pixmap


def ask(dialog: QDialog) -> bool:
    """Shows a modal dialog until it is closed, and takes it away. -> whether it was accepted."""
    try:
        return bool(dialog.exec())
    finally:
        # Its parent would keep it as long as the window lives.
        dialog.deleteLater()


class ErrorDialog(QDialog):
    """A sentence, and what a bug report needs behind a button."""

    def __init__(self, message: str, details: str, colour: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Something went wrong"))
        self.setMinimumWidth(480)
        self.details = details
        sign = QLabel()
        sign.setPixmap(pixmap("warning", colour, 32, self.devicePixelRatioF()))
        title = QLabel(self.tr("Something went wrong"))
        title.setObjectName("title")
        text = QLabel(message)
        text.setWordWrap(True)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        words = QVBoxLayout()
        words.setSpacing(6)
        words.addWidget(title)
        words.addWidget(text)
        top = QHBoxLayout()
        top.setSpacing(16)
        top.addWidget(sign, alignment=Qt.AlignmentFlag.AlignTop)
        top.addLayout(words, stretch=1)

        self.trace = QPlainTextEdit(details)
        self.trace.setReadOnly(True)
        self.trace.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.trace.setMinimumHeight(180)
        self.trace.setAccessibleName(self.tr("Details"))
        self.trace.hide()
        self.show_button = QPushButton(self.tr("Show details"))
        self.show_button.clicked.connect(self._toggle)
        self.copy_button = QPushButton(self.tr("Copy details"))
        self.copy_button.clicked.connect(self._copy)
        close = QPushButton(self.tr("Close"))
        close.setDefault(True)
        close.clicked.connect(self.accept)
        buttons = QHBoxLayout()
        buttons.addWidget(self.show_button)
        buttons.addWidget(self.copy_button)
        buttons.addStretch()
        buttons.addWidget(close)
        for button in (self.show_button, self.copy_button):
            button.setVisible(bool(details))
            button.setAutoDefault(False)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(22, 20, 22, 18)
        layout.setSpacing(16)
        layout.addLayout(top)
        layout.addWidget(self.trace, stretch=1)
        layout.addLayout(buttons)

    def _toggle(self) -> None:
        visible = not self.trace.isVisible()
        self.trace.setVisible(visible)
        self.show_button.setText(self.tr("Hide details") if visible else self.tr("Show details"))
        self.adjustSize()

    def _copy(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.details)
            self.copy_button.setText(self.tr("Copied"))


class AddressDialog(QDialog):
    """Asks for the address of a stream."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Open an address"))
        self.setMinimumWidth(460)
        label = QLabel(self.tr("&Address of a video or a network camera"))
        self.field = QLineEdit()
        self.field.setPlaceholderText("rtsp://…   http://…/video.m3u8   screen:1")
        self.field.textChanged.connect(lambda text: self.open_button.setEnabled(bool(text.strip())))
        label.setBuddy(self.field)
        cancel = QPushButton(self.tr("Cancel"))
        cancel.setAutoDefault(False)
        cancel.clicked.connect(self.reject)
        self.open_button = QPushButton(self.tr("Open"))
        self.open_button.setDefault(True)
        self.open_button.setEnabled(False)
        self.open_button.clicked.connect(self.accept)
        buttons = QHBoxLayout()
        buttons.addStretch()
        buttons.addWidget(cancel)
        buttons.addWidget(self.open_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(22, 20, 22, 18)
        layout.setSpacing(12)
        layout.addWidget(label)
        layout.addWidget(self.field)
        layout.addLayout(buttons)

    @property
    def address(self) -> str:
        return self.field.text().strip()
