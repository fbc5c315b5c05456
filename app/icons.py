"""Icons in the colour of the theme, from the line drawings in assets/icons."""

from functools import cache
from pathlib import Path

from PyQt6.QtCore import QByteArray, QRectF, QSize, Qt
from PyQt6.QtGui import QIcon, QPainter, QPixmap
from PyQt6.QtSvg import QSvgRenderer

ASSETS = Path(__file__).resolve().parents[1] / "assets"
RATIOS = (1.0, 2.0, 3.0)  # device pixels per pixel that icons are drawn for
SIDE = 20


@cache
def icon(name: str, colour: str, disabled: str = "", side: int = SIDE) -> QIcon:
    """The drawing `name` in `colour`, and in `disabled` where its control is disabled. Colours as #rrggbb."""
    result = QIcon()
    for mode, tint in ((QIcon.Mode.Normal, colour), (QIcon.Mode.Disabled, disabled or colour)):
        for ratio in RATIOS:
            result.addPixmap(pixmap(name, tint, side, ratio), mode)
    return result


def pixmap(name: str, colour: str, side: int = SIDE, ratio: float = 1.0) -> QPixmap:
    """The drawing as a picture of side × side pixels, each of ratio × ratio device pixels."""
    drawing = (ASSETS / "icons" / f"{name}.svg").read_text(encoding="utf-8").replace("currentColor", colour)
    picture = QPixmap(QSize(round(side * ratio), round(side * ratio)))
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    QSvgRenderer(QByteArray(drawing.encode())).render(painter, QRectF(picture.rect()))
    painter.end()
    picture.setDevicePixelRatio(ratio)
    return picture


def application_icon() -> QIcon:
    return QIcon(str(ASSETS / "icon.svg"))


def style_sheet_images(folder: Path, text: str, on_accent: str) -> dict[str, str]:
    """Paths of the pictures that the style sheet names, written into `folder`: a style sheet knows files only."""
    paths = {}
    for name, colour in (("chevron", text), ("chevron_up", text), ("check", on_accent)):
        path = folder / f"{name}-{colour.lstrip('#')}.png"
        pixmap(name, colour, 24).save(str(path))
        paths[name] = path.as_posix()
    return paths
