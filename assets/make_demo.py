"""Makes assets/demo.mp4: cards with a portrait come, float and leave, so that one to four people are in the picture.

Run it from the repository's root with `python assets/make_demo.py`. It needs scikit-image for the portrait
(see CREDITS.md), and the same versions of it, OpenCV and PyAV give the same file.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.data import astronaut

CLIP = Path(__file__).with_name("demo.mp4")
WIDTH, HEIGHT, FPS, SECONDS = 1280, 720, 30, 10
EASE_S = 1.1
SHADOW = 26
TOP_COLOUR, BOTTOM_COLOUR = (214, 205, 198), (168, 156, 146)


@dataclass(frozen=True)
class Card:
    """One copy of the portrait. Places are of its centre, in pixels; times in seconds.

    outside, inside: where it comes from and leaves to, and where it stays.
    """

    outside: tuple[float, float]
    inside: tuple[float, float]
    arrives: float
    leaves: float
    side: int
    mirrored: bool
    phase: float

    def place(self, seconds: float) -> tuple[float, float, float]:
        """(x, y, scale) of the card at this time."""
        share = _ease((seconds - self.arrives) / EASE_S) * (1.0 - _ease((seconds - self.leaves) / EASE_S))
        x, y = (out + share * (within - out) for out, within in zip(self.outside, self.inside))
        x += 14.0 * share * math.sin(1.9 * seconds + self.phase)
        y += 10.0 * share * math.cos(1.3 * seconds + self.phase)
        return x, y, 1.0 + 0.03 * math.sin(0.9 * seconds + self.phase)


CARDS = (
    Card((330, -420), (330, 370), -2.0, 7.4, 560, False, 0.0),
    Card((1560, 300), (905, 300), 1.2, 8.6, 440, True, 1.7),
    Card((700, 1000), (650, 505), 2.9, 6.0, 330, False, 3.1),
    Card((1560, 560), (1100, 520), 4.1, 7.0, 300, True, 4.6),
    Card((-420, 370), (350, 370), 9.2, 30.0, 500, True, 2.4),
)


def _ease(share: float) -> float:
    """0 to 1 without a jerk at either end."""
    share = min(max(share, 0.0), 1.0)
    return share * share * (3.0 - 2.0 * share)


def _background() -> NDArray[np.float32]:
    down = np.linspace(0.0, 1.0, HEIGHT, dtype=np.float32)[:, None, None]
    flat = np.float32(TOP_COLOUR) * (1.0 - down) + np.float32(BOTTOM_COLOUR) * down
    return np.repeat(flat, WIDTH, axis=1)


def _card_layers(card: Card) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """((S, S, 3) picture, (S, S, 2) opacity of card and shadow), with a margin for the shadow on every side."""
    portrait = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR)
    portrait = cv2.resize(
        portrait, (card.side, card.side), interpolation=cv2.INTER_AREA if card.side < 512 else cv2.INTER_CUBIC
    )
    if card.mirrored:
        portrait = cv2.flip(portrait, 1)
    margin = 2 * SHADOW
    picture = cv2.copyMakeBorder(portrait, margin, margin, margin, margin, cv2.BORDER_REPLICATE).astype(np.float32)
    # Rounded corners: the distance to a smaller square, softened over one pixel.
    radius, half = 0.07 * card.side, card.side / 2
    offsets = np.abs(np.arange(picture.shape[0], dtype=np.float32) - (picture.shape[0] - 1) / 2) - (half - radius)
    beyond = np.maximum(offsets, 0.0)
    solid = np.clip(radius - np.hypot(beyond[:, None], beyond[None, :]) + 0.5, 0.0, 1.0).astype(np.float32)
    shadow = 0.45 * cv2.GaussianBlur(np.roll(solid, SHADOW // 3, axis=0), (0, 0), SHADOW / 2.5)
    return picture, np.dstack([solid, shadow])


def frames() -> Iterator[NDArray[np.uint8]]:
    """(HEIGHT, WIDTH, 3) uint8, BGR."""
    background = _background()
    layers = [(card, *_card_layers(card)) for card in CARDS]
    for number in range(FPS * SECONDS):
        seconds = number / FPS
        scene = background.copy()
        for card, picture, opacity in layers:
            x, y, scale = card.place(seconds)
            centre = (picture.shape[0] - 1) / 2
            move = np.float32([[scale, 0, x - scale * centre], [0, scale, y - scale * centre]])
            size = (WIDTH, HEIGHT)
            moved = cv2.warpAffine(picture, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            masks = cv2.warpAffine(opacity, move, size, flags=cv2.INTER_LINEAR)
            scene *= 1.0 - masks[..., 1:]
            scene += masks[..., :1] * (moved - scene)
        yield np.clip(scene.round(), 0, 255).astype(np.uint8)


def main() -> None:
    # One encoder thread: with more, the file depends on the machine.
    options = {"preset": "veryslow", "crf": "27", "threads": "1", "tune": "animation"}
    with av.open(str(CLIP), "w", format="mp4", options={"movflags": "faststart"}) as clip:
        stream = clip.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.colorspace = 5
        for number, image in enumerate(frames()):
            frame = av.VideoFrame.from_ndarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            clip.mux(stream.encode(frame))
        clip.mux(stream.encode(None))
    print(f"{CLIP.name}: {FPS * SECONDS} frames, {CLIP.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
