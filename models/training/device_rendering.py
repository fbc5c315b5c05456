"""Planned views' pixels in batches on the training device, from pictures that lie there: for GPUs, which outrun any loader."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.training.dataset import Sources
from models.training.rendering import PADDING
from models.training.views import View

LONGEST = 512  # pictures are kept with at most this side, in square canvases
LUMA = (0.114, 0.587, 0.299)  # BGR


class DevicePictures:
    """All pictures of a run in one (N, LONGEST, LONGEST, 3) uint8 BGR tensor."""

    def __init__(self, sources: Sources, device: torch.device) -> None:
        count = len(sources.labelled)
        self.canvas = torch.zeros(count, LONGEST, LONGEST, 3, dtype=torch.uint8, device=device)
        self.sides = np.zeros((count, 2), np.float64)  # width, height in the canvas
        self.zoom = np.ones(count)  # from the picture to its canvas
        for index, one in enumerate(sources.labelled):
            image = sources.pictures.read(one.name)
            zoom = min(1.0, LONGEST / max(image.shape[:2]))
            if zoom < 1:
                size = (round(image.shape[1] * zoom), round(image.shape[0] * zoom))
                image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
            height, width = image.shape[:2]
            self.canvas[index, :height, :width] = torch.from_numpy(image).to(device)
            self.sides[index], self.zoom[index] = (width, height), zoom

    @staticmethod
    def size_in_bytes(sources: Sources) -> int:
        return len(sources.labelled) * LONGEST * LONGEST * 3

    def render(self, views: Sequence[View]) -> Tensor:
        """(N, 3, H, W) uint8 RGB. Equal to `rendering.render` up to the filter that shrinks pictures, and the noise."""
        width, height, device = views[0].width, views[0].height, self.canvas.device
        result = torch.full((len(views), height, width, 3), float(PADDING), device=device)
        ys, xs = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
        for order in range(max(len(view.pieces) for view in views)):
            chosen = [n for n, view in enumerate(views) if order < len(view.pieces)]
            pieces = [views[n].pieces[order] for n in chosen]
            warped = self._warp(
                [p.picture for p in pieces], [p.matrix for p in pieces], [p.scale for p in pieces], xs, ys
            )
            limits = torch.tensor([p.rectangle for p in pieces], device=device)[:, :, None, None]
            inside = (xs >= limits[:, 0]) & (xs < limits[:, 2]) & (ys >= limits[:, 1]) & (ys < limits[:, 3])
            rows = torch.tensor(chosen, device=device)
            result[rows] = torch.where(inside[..., None], warped, result[rows])
        return _recoloured(result.round().clamp(0, 255).byte(), views).flip(3).permute(0, 3, 1, 2).contiguous()

    def _warp(
        self, pictures: list[int], matrices: list[np.ndarray], scales: list[float], xs: Tensor, ys: Tensor
    ) -> Tensor:
        """(N, H, W, 3) float32 BGR."""
        device = self.canvas.device
        back = []
        for picture, matrix in zip(pictures, matrices):
            full = np.linalg.inv(np.vstack([matrix, (0, 0, 1)]))[:2]
            zoom = self.zoom[picture]
            full[:, 2] = (full[:, 2] + 0.5) * zoom - 0.5
            full[:, :2] *= zoom
            back.append(full)
        to_source = torch.tensor(np.array(back), dtype=torch.float32, device=device)
        places = torch.stack([xs, ys, torch.ones_like(xs)], dim=-1).float()
        source = torch.einsum("nij,hwj->nhwi", to_source, places)
        grid = (source + 0.5) * (2 / LONGEST) - 1
        full_size = self.canvas[torch.tensor(pictures, device=device)].permute(0, 3, 1, 2).float()
        zooms = torch.tensor(scales, device=device)[:, None, None, None] / torch.tensor(
            self.zoom[pictures], dtype=torch.float32, device=device
        ).reshape(-1, 1, 1, 1)
        warped = F.grid_sample(full_size, grid, padding_mode="border", align_corners=False)
        for limit, factor in ((0.6, 2), (0.3, 4)):  # coarser copies, against aliasing
            if bool((zooms < limit).any()):
                coarse = F.grid_sample(
                    F.avg_pool2d(full_size, factor), grid, padding_mode="border", align_corners=False
                )
                warped = torch.where(zooms < limit, coarse, warped)
        sides = torch.tensor(self.sides[pictures], dtype=torch.float32, device=device)[:, None, None]
        inside = ((source > -0.5) & (source < sides - 0.5)).all(-1)
        return torch.where(inside[..., None], warped.permute(0, 2, 3, 1), float(PADDING))


def _recoloured(pixels: Tensor, views: Sequence[View]) -> Tensor:
    """As `rendering.recolour`, for (N, H, W, 3) uint8 BGR."""
    device = pixels.device
    tables = torch.from_numpy(np.stack([view.colours.table for view in views])).to(device)
    n, height, width = pixels.shape[:3]
    flat = pixels.reshape(n, -1, 3).long()
    result = torch.gather(tables.float(), 1, flat).reshape(n, height, width, 3)
    grey = torch.tensor([view.colours.grey for view in views], device=device)[:, None, None, None]
    luma = (result * torch.tensor(LUMA, device=device)).sum(-1, keepdim=True)
    result = torch.where(grey, luma, result)
    for index, view in enumerate(views):
        colours = view.colours
        if colours.blur:
            result[index] = _blurred(result[index], colours.blur)
        if colours.noise:
            generator = torch.Generator(device=device).manual_seed(colours.seed)
            result[index] += torch.randn(result[index].shape, generator=generator, device=device) * colours.noise
        if colours.erased:
            (left, top, right, bottom), colour = colours.erased
            result[index, top:bottom, left:right] = torch.tensor(colour, dtype=torch.float32, device=device)
    return result.round().clamp(0, 255).byte()


def _blurred(image: Tensor, deviation: float) -> Tensor:
    """(H, W, 3) with a Gaussian blur."""
    reach = max(1, round(3 * deviation))
    offsets = torch.arange(-reach, reach + 1, device=image.device, dtype=torch.float32)
    kernel = torch.exp(-(offsets**2) / (2 * deviation**2))
    kernel = kernel / kernel.sum()
    planes = F.pad(image.permute(2, 0, 1)[:, None], (reach, reach, reach, reach), mode="reflect")
    planes = F.conv2d(F.conv2d(planes, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
    return planes[:, 0].permute(1, 2, 0)
