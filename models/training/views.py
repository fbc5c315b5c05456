"""Random views of labelled pictures: where the pixels come from, what happens to their colours, where the joints end up.

A view is planned first, in numbers, and then rendered, by OpenCV in a loader process or in batches on a GPU. Everything
random follows from the run's seed and the view's number, so that a run can be resumed at any view.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.skeleton import Skeleton
from models.training.annotations import LABELLED, LabelledPicture
from models.training.settings import Augmentation

CHOOSE_PERSON = 0.6  # share of views that look at one person
FEWEST_JOINTS = 3  # of someone that a view may look at
SMALLEST = 0.75  # a picture is never shrunk below this share of covering the view's area
EDGE = 0.05  # of the view's side: padding that a shift may show
BELOW = ("elbow", "wrist", "hip", "knee", "ankle")  # joints that a close-up does not look at
GAP = (0.38, 0.62)  # where a view of several pictures is cut


@dataclass(frozen=True, slots=True)
class Piece:
    """A picture's part of a view.

    picture: its index. rectangle: left, top, right, bottom within the view, in whole pixels.
    matrix:  (2, 3) float64 from the picture's pixels to the view's. scale: the zoom in it.
    """

    picture: int
    rectangle: tuple[int, int, int, int]
    matrix: NDArray[np.float64]
    scale: float


@dataclass(frozen=True, slots=True)
class Colours:
    """table: (256, 3) uint8, BGR, applied first. blur, noise: standard deviations in pixels and grey levels, 0 for none.

    erased: left, top, right, bottom of a rectangle that gets one colour (BGR), or None. seed: of the noise.
    """

    table: NDArray[np.uint8]
    grey: bool
    blur: float
    noise: float
    erased: tuple[tuple[int, int, int, int], tuple[int, int, int]] | None
    seed: int


@dataclass(frozen=True, slots=True)
class View:
    """people: (P, J, 3) float32 x, y, state in the view's pixels; joints outside it are ABSENT. ignored: (G, 4) float32."""

    width: int
    height: int
    pieces: tuple[Piece, ...]
    colours: Colours
    people: NDArray[np.float32]
    ignored: NDArray[np.float32]


class Planner:
    """Draws views from labelled pictures, more often from those with a higher weight."""

    def __init__(
        self,
        pictures: Sequence[LabelledPicture],
        weights: NDArray[np.float64],
        skeleton: Skeleton,
        settings: Augmentation,
        seed: int,
    ) -> None:
        self.pictures = pictures
        self._cumulative = np.cumsum(weights / weights.sum())
        self._flip = np.array(skeleton.flip)
        self._upper = np.array([not name.endswith(BELOW) for name in skeleton.joints])
        self._settings = settings
        self._seed = seed

    def plan(self, number: int, width: int, height: int) -> View:
        random = np.random.default_rng((self._seed, number))
        rectangles = self._rectangles(random, width, height)
        pieces, people, ignored = [], [], []
        for rectangle in rectangles:
            piece, joints, boxes = self._piece(random, rectangle)
            pieces.append(piece)
            people.append(joints)
            ignored.append(boxes)
        colours = _colours(random, self._settings, width, height)
        return View(width, height, tuple(pieces), colours, np.concatenate(people), np.concatenate(ignored))

    def _rectangles(self, random: np.random.Generator, width: int, height: int) -> list[tuple[int, int, int, int]]:
        kind = random.random()
        x, y = int(width * random.uniform(*GAP)), int(height * random.uniform(*GAP))
        if kind < self._settings.mosaic:
            return [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]
        if kind < self._settings.mosaic + self._settings.side_by_side:
            return [(0, 0, x, height), (x, 0, width, height)]
        return [(0, 0, width, height)]

    def _piece(
        self, random: np.random.Generator, rectangle: tuple[int, int, int, int]
    ) -> tuple[Piece, NDArray[np.float32], NDArray[np.float32]]:
        last = len(self.pictures) - 1
        index = min(int(np.searchsorted(self._cumulative, random.random(), side="right")), last)
        picture, settings = self.pictures[index], self._settings
        left, top, right, bottom = rectangle
        width, height = right - left, bottom - top
        scale, centre = self._framing(random, picture, width, height)
        away = random.uniform(-settings.shift, settings.shift, 2) * (width, height)
        turned = random.random() < settings.rotated
        angle = math.radians(random.uniform(-settings.rotation, settings.rotation)) if turned else 0.0
        stretch = math.exp(random.uniform(-settings.stretch, settings.stretch))
        mirror = random.random() < 0.5
        sign, cos, sin = (-1.0 if mirror else 1.0), math.cos(angle), math.sin(angle)
        turn = scale * np.array([[cos * sign * stretch, -sin / stretch], [sin * sign * stretch, cos / stretch]])
        sides = np.array((picture.width, picture.height), np.float64)
        heart = np.array((width, height)) / 2 + away + turn @ (sides / 2 - centre)
        heart = np.array((left, top)) + _kept_in_view(heart, scale * sides, np.array((width, height), np.float64))
        matrix = np.column_stack([turn, heart - turn @ (sides / 2)])

        people = picture.people.copy()
        people[..., :2] = _transformed(people[..., :2], matrix)
        if mirror:
            people = people[:, self._flip]
        x, y = people[..., 0], people[..., 1]
        people[..., 2] *= (x >= left) & (x < right) & (y >= top) & (y < bottom)
        ignored = _boxes(picture.ignored, matrix)
        ignored[:, 0::2] = ignored[:, 0::2].clip(left, right)
        ignored[:, 1::2] = ignored[:, 1::2].clip(top, bottom)
        return Piece(index, rectangle, matrix, scale), people, ignored

    def _framing(
        self, random: np.random.Generator, picture: LabelledPicture, width: int, height: int
    ) -> tuple[float, NDArray[np.float64]]:
        """How large the picture is shown, and its point in the middle."""
        settings = self._settings
        sides = np.array((picture.width, picture.height), np.float64)
        labelled = picture.people[..., 2] == LABELLED
        good = np.flatnonzero(labelled.sum(axis=1) >= FEWEST_JOINTS)
        if len(good) and random.random() < CHOOSE_PERSON:
            person = good[random.integers(len(good))]
            shown, limits = labelled[person], settings.person_scale
            upper = shown & self._upper
            if random.random() < settings.close_up and upper.sum() >= FEWEST_JOINTS:
                shown, limits = upper, settings.close_up_scale
            places = picture.people[person, shown, :2].astype(np.float64)
            extent = max(1.25 * float(np.ptp(places, axis=0).max()), 0.1 * float(sides.min()), 16.0)
            scale = _log_uniform(random, limits) * min(width, height) / extent
            centre = (places.min(axis=0) + places.max(axis=0)) / 2
        else:
            scale = _log_uniform(random, settings.picture_scale) * max(width / sides[0], height / sides[1])
            centre = sides / 2 + random.uniform(-0.15, 0.15, 2) * sides
        lowest = SMALLEST * math.sqrt(width / sides[0] * height / sides[1])
        return min(max(scale, lowest), settings.largest_zoom), centre


def _kept_in_view(
    middle: NDArray[np.float64], shown: NDArray[np.float64], view: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The middle of a picture of `shown` pixels, moved so that it fills the view as far as it can, but for a little."""
    edges = np.stack([shown / 2, view - shown / 2])
    slack = EDGE * view
    return np.clip(middle, edges.min(axis=0) - slack, edges.max(axis=0) + slack)


def _colours(random: np.random.Generator, settings: Augmentation, width: int, height: int) -> Colours:
    def about_one(spread: float, count: int | None = None) -> NDArray[np.float64]:
        return np.asarray(random.uniform(1 - spread, 1 + spread, count))

    table = np.arange(256.0)[:, None] * about_one(settings.brightness) * about_one(settings.tint, 3)
    table = (table - 110) * about_one(settings.contrast) + 110
    gamma = math.exp(random.uniform(-settings.gamma, settings.gamma))
    table = 255 * (table.clip(0, 255) / 255) ** gamma
    kind = random.random()
    grey, blurred = kind < settings.grey, settings.grey <= kind < settings.grey + settings.blur
    blur = random.uniform(0.6, 1.6) if blurred else 0.0
    noise = random.uniform(3, 10) if random.random() < settings.noise else 0.0
    erased = None
    if random.random() < settings.erase:
        reach = max(1, int(random.uniform(0.06, 0.18) * min(width, height)))
        x, y = int(random.integers(width)), int(random.integers(height))
        corners = (max(0, x - reach), max(0, y - reach), min(width, x + reach), min(height, y + reach))
        blue, green, red = (int(value) for value in random.integers(256, size=3))
        erased = (corners, (blue, green, red))
    return Colours(table.astype(np.uint8), grey, blur, noise, erased, int(random.integers(2**31)))


def _log_uniform(random: np.random.Generator, limits: tuple[float, float]) -> float:
    return math.exp(random.uniform(math.log(limits[0]), math.log(limits[1])))


def _transformed(places: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = (places @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    return result


def _boxes(boxes: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """(G, 4) boxes around the transformed corners of boxes."""
    corners = np.stack([boxes[:, [0, 1]], boxes[:, [2, 1]], boxes[:, [0, 3]], boxes[:, [2, 3]]], axis=1)
    moved = _transformed(corners, matrix)
    return np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1)
