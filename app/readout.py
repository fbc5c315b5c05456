"""The statistics on the picture: which lines there are, as text, and how they are painted."""

from PyQt6.QtCore import QCoreApplication, QPointF, QRectF, Qt
from PyQt6.QtGui import QColor, QFont, QFontMetricsF, QPainter

from app.preferences import Overlays
from engine.statistics import Statistics

STAGE_COLOURS = ("#8ab4f8", "#4cc2b0", "#f0b45a", "#c58af9", "#ff8fa3", "#9ccc65", "#ffd54f", "#90a4ae")
INK, FAINT, SHADE = QColor("#ffffff"), QColor("#b9c2cb"), QColor(10, 12, 15, 175)
RED, DOT = QColor("#ff4d52"), 5.0
PADDING, MARGIN, BAR = 9.0, 12.0, 4.0
translate = QCoreApplication.translate


def lines(statistics: Statistics, shown: Overlays) -> list[tuple[str, str]]:
    """(value, what it is) of each line that the user wants to see. Before the first poses, nothing is said about poses."""
    result = []
    if shown.fps and statistics.inferred:
        poses = translate("Readout", "fps · {rate} poses/s").format(rate=f"{statistics.inference_fps:.0f}")
        result.append((f"{statistics.paint_fps:.0f}", poses))
    elif shown.fps:
        result.append((f"{statistics.paint_fps:.0f}", translate("Readout", "fps")))
    if shown.latency and (latency := statistics.capture_to_paint):
        p95 = translate("Readout", "ms delay · p95 {p95}").format(p95=f"{latency.p95:.0f}")
        result.append((f"{latency.p50:.0f}", p95))
    if shown.people and statistics.inferred:
        people = statistics.people
        label = translate("Readout", "person") if people == 1 else translate("Readout", "people")
        result.append((str(people), label))
    if shown.drops and statistics.inferred:
        result.append((str(statistics.dropped), translate("Readout", "frames skipped")))
    return result


def stage_name(name: str) -> str:
    """A stage's name in the user's language; a stage that is not known keeps its own."""
    return {
        "wait": translate("Readout", "waiting"),
        "resize": translate("Readout", "resizing"),
        "network": translate("Readout", "network"),
        "decode": translate("Readout", "decoding"),
        "grouping": translate("Readout", "grouping"),
        "tracking": translate("Readout", "tracking"),
        "smoothing": translate("Readout", "smoothing"),
    }.get(name, name)


def stage_colour(index: int) -> QColor:
    return QColor(STAGE_COLOURS[index % len(STAGE_COLOURS)])


def paint(painter: QPainter, picture: QRectF, statistics: Statistics, shown: Overlays) -> None:
    """Into the upper left corner of `picture`, in the painter's coordinates; nothing where it would not fit."""
    texts = lines(statistics, shown)
    stages = {name: times.p50 for name, times in statistics.stages.items() if times.p50 > 0} if shown.stages else {}
    if not texts and not stages:
        return
    strong, plain = QFont(painter.font()), QFont(painter.font())
    strong.setPixelSize(14)
    strong.setWeight(QFont.Weight.DemiBold)
    plain.setPixelSize(12)
    wide, narrow = QFontMetricsF(strong), QFontMetricsF(plain)
    column = max((wide.horizontalAdvance(value) for value, _ in texts), default=0.0)
    width = max((column + 6 + narrow.horizontalAdvance(label) for _, label in texts), default=150.0)
    row = wide.height() + 1
    slowest = max(stages, key=lambda name: stages[name], default="")
    height = row * len(texts) + (BAR + 7 + narrow.height() if stages else 0)
    box = QRectF(picture.left() + MARGIN, picture.top() + MARGIN, width + 2 * PADDING, height + 2 * PADDING)
    if not picture.contains(box):
        return
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(SHADE)
    painter.drawRoundedRect(box, 8, 8)
    left, baseline = box.left() + PADDING, box.top() + PADDING + wide.ascent()
    for value, label in texts:
        painter.setFont(strong)
        painter.setPen(INK)
        painter.drawText(QPointF(left + column - wide.horizontalAdvance(value), baseline), value)
        painter.setFont(plain)
        painter.setPen(FAINT)
        painter.drawText(QPointF(left + column + 6, baseline), label)
        baseline += row
    if not stages:
        return
    top, total, x = baseline - wide.ascent() + 5, sum(stages.values()), left
    painter.setPen(Qt.PenStyle.NoPen)
    for index, (name, ms) in enumerate(stages.items()):
        part = width * ms / total
        painter.setBrush(stage_colour(index))
        painter.drawRect(QRectF(x, top, max(part - 1, 0.5), BAR))
        if name == slowest:
            painter.setFont(plain)
            painter.setPen(FAINT)
            share = f"{stage_name(name)} {ms / total:.0%} · {total:.0f} ms"
            painter.drawText(QPointF(left, top + BAR + 2 + narrow.ascent()), share)
            painter.setPen(Qt.PenStyle.NoPen)
        x += part


def paint_recording(painter: QPainter, picture: QRectF, text: str) -> None:
    """A red dot and how long it has been red, in the upper right corner of `picture`."""
    font = QFont(painter.font())
    font.setPixelSize(14)
    font.setWeight(QFont.Weight.DemiBold)
    metrics = QFontMetricsF(font)
    width = 2 * DOT + 7 + metrics.horizontalAdvance(text)
    box = QRectF(0, 0, width + 2 * PADDING, metrics.height() + PADDING)
    box.moveTopRight(QPointF(picture.right() - MARGIN, picture.top() + MARGIN))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(SHADE)
    painter.drawRoundedRect(box, 8, 8)
    painter.setBrush(RED)
    painter.drawEllipse(QPointF(box.left() + PADDING + DOT, box.center().y()), DOT, DOT)
    painter.setPen(INK)
    painter.setFont(font)
    painter.drawText(box.adjusted(PADDING + 2 * DOT + 7, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, text)
