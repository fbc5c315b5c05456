"""Colours of everything that is drawn, as (blue, green, red)."""

import colorsys
from functools import cache

from engine.types import UNTRACKED
from models.skeleton import Skeleton

Colour = tuple[int, int, int]

# Amber and sky blue stay apart in every common kind of colour blindness, and differ in brightness as well.
LEFT: Colour = (61, 176, 255)
RIGHT: Colour = (255, 158, 46)
MIDDLE: Colour = (248, 244, 240)
OUTLINE: Colour = (28, 20, 16)
PANEL: Colour = (30, 24, 20)
TEXT: Colour = (248, 246, 244)
NEUTRAL: Colour = (214, 208, 202)

_SIDES = {"left": LEFT, "right": RIGHT, "middle": MIDDLE}
_GOLDEN = 0.618034  # steps of the golden ratio around the circle keep neighbouring numbers far apart in hue


def joint_colour(skeleton: Skeleton, joint: int) -> Colour:
    """The colour of a joint's side of the body."""
    return _SIDES[skeleton.side(joint)]


def limb_colour(skeleton: Skeleton, limb: tuple[int, int]) -> Colour:
    """The colour of a limb's side; a limb from the middle to one side belongs to that side."""
    sides = {skeleton.side(joint) for joint in limb} - {"middle"}
    return _SIDES[sides.pop()] if len(sides) == 1 else MIDDLE


@cache
def id_colour(number: int) -> Colour:
    """A light, friendly colour of its own for every id; grey for people who are not tracked."""
    if number == UNTRACKED:
        return NEUTRAL
    red, green, blue = colorsys.hsv_to_rgb((0.45 + number * _GOLDEN) % 1, 0.5, 1.0)
    return round(blue * 255), round(green * 255), round(red * 255)
