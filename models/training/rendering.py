"""A planned view's pixels, with OpenCV."""

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.views import Colours, Piece, View

PADDING = 114  # grey level outside the picture, as in inference
SHRINK_BELOW = 0.6  # zoom under which the picture is halved first: bilinear sampling would skip pixels

Image = NDArray[np.uint8]


def render(view: View, images: list[Image]) -> Image:
    """(H, W, 3) uint8 BGR. images: (H, W, 3) uint8 BGR, one for each of the view's pieces."""
    canvas = np.empty((view.height, view.width, 3), np.uint8)
    for piece, image in zip(view.pieces, images):
        left, top, right, bottom = piece.rectangle
        canvas[top:bottom, left:right] = _piece(piece, image)
    return recolour(canvas, view.colours)


def _piece(piece: Piece, image: Image) -> Image:
    left, top, right, bottom = piece.rectangle
    matrix, shrunk = piece.matrix.copy(), 1.0
    matrix[:, 2] -= (left, top)
    while piece.scale / shrunk < SHRINK_BELOW and shrunk > 1 / 8:
        shrunk /= 2
    if shrunk < 1:
        image = cv2.resize(image, None, fx=shrunk, fy=shrunk, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        # Pixel centres lie at whole numbers: a shrunken pixel's centre lies between the pixels that it is made of.
        matrix[:, 2] += matrix[:, :2] @ np.full(2, 0.5 / shrunk - 0.5)
        matrix[:, :2] /= shrunk
    size = (right - left, bottom - top)
    border = (PADDING, PADDING, PADDING)
    warped = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderValue=border)
    return warped.astype(np.uint8, copy=False)


def recolour(image: Image, colours: Colours) -> Image:
    """Colour table, grey, blur, noise and erasing, in this order."""
    result = cv2.LUT(image, colours.table.reshape(256, 1, 3))
    if colours.grey:
        result = cv2.cvtColor(cv2.cvtColor(result, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    if colours.blur:
        result = cv2.GaussianBlur(result, (0, 0), colours.blur)
    if colours.noise:
        random = np.random.default_rng(colours.seed)
        grain = np.rint(random.normal(0, colours.noise, result.shape)).astype(np.int16)
        result = (result.astype(np.int16) + grain).clip(0, 255).astype(np.uint8)
    if colours.erased:
        (left, top, right, bottom), colour = colours.erased
        result[top:bottom, left:right] = colour
    return result.astype(np.uint8, copy=False)
