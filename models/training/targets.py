"""What the network should put out: Gaussian heatmaps, where they count, and where each person's tags are read."""

import torch
from torch import Tensor

from models.skeleton import AREA_OF_BOX
from models.training.annotations import ABSENT, LABELLED, UNSURE

UNSURE_REACH = 0.12  # of a person's extent: how far around an unsure joint nothing is learned of it
LEAST_REACH = 6.0  # the same in input pixels, at least
CLEAR = 0.1  # a heatmap above this value counts even where nothing is to be learned of others


def joint_deviations(people: Tensor, tolerances: Tensor, share: float, least: float) -> Tensor:
    """(N, P, J): standard deviations of the people's Gaussians in input pixels, `least` at least.

    people: (N, P, J, 3) x, y, state in input pixels. tolerances: (J,) the skeleton's OKS constants.

    A large person's hip may be off by more pixels than a small one's eye for the same OKS, and nobody, labels included,
    can tell its place as exactly. So a joint's deviation is a `share` of the distance that OKS allows it, 2·k·√area (as
    SWAHR adapts heatmaps to the people's scale: Luo et al., CVPR 2021; there the network estimates the scale).
    """
    width, height = (_extent(people[..., axis], people[..., 2] != ABSENT) for axis in (0, 1))
    size = (AREA_OF_BOX * width * height).sqrt()
    return (share * 2 * tolerances * size[..., None]).clamp(min=least)


def heatmaps(
    people: Tensor, ignored: Tensor, deviations: Tensor, height: int, width: int, stride: int
) -> tuple[Tensor, Tensor]:
    """Targets and masks (N, J, height, width) at a stride.

    people:  (N, P, J, 3) x, y, state in input pixels; persons of zeros fill up. ignored: (N, G, 4) boxes, likewise.

    A target is the greatest of the people's Gaussians, of (N, P, J) standard `deviations` in input pixels. The mask is 0 in
    ignored boxes and around unsure joints, there for that joint alone, and 1 elsewhere and near a labelled joint.
    """
    xs = (torch.arange(width, device=people.device) + 0.5) * stride - 0.5  # input pixels at the map's pixel centres
    ys = (torch.arange(height, device=people.device) + 0.5) * stride - 0.5
    x, y, state = people.unbind(-1)
    labelled = (state == LABELLED).float()
    spread = 2 * deviations[..., None] ** 2
    across = torch.exp(-((xs - x[..., None]) ** 2) / spread) * labelled[..., None]
    down = torch.exp(-((ys - y[..., None]) ** 2) / spread)
    target = people.new_zeros(len(people), people.shape[2], height, width)
    for person in range(people.shape[1]):
        target = torch.maximum(target, down[:, person, :, :, None] * across[:, person, :, None, :])
    hidden = _boxes(ignored, xs, ys)[:, None] + _unsure(x, y, state, xs, ys)
    return target, ((hidden == 0) | (target > CLEAR)).float()


def _boxes(ignored: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    """(N, height, width): how many ignored boxes cover a place."""
    inside_x = (xs >= ignored[..., 0:1]) & (xs < ignored[..., 2:3])
    inside_y = (ys >= ignored[..., 1:2]) & (ys < ignored[..., 3:4])
    return torch.einsum("ngh,ngw->nhw", inside_y.float(), inside_x.float())


def _unsure(x: Tensor, y: Tensor, state: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    """(N, J, height, width): how many people's unsure joints are near a place."""
    known = state != ABSENT
    extent = torch.maximum(_extent(x, known), _extent(y, known))
    reach = (UNSURE_REACH * extent).clamp(min=LEAST_REACH)[..., None, None]
    unsure = (state == UNSURE)[..., None]
    near_x = ((xs - x[..., None]).abs() < reach) & unsure
    near_y = (ys - y[..., None]).abs() < reach
    return torch.einsum("npjh,npjw->njhw", near_y.float(), near_x.float())


def _extent(places: Tensor, known: Tensor) -> Tensor:
    """(N, P): from the first to the last known joint along an axis; 0 without any."""
    lowest, highest = places.masked_fill(~known, torch.inf).amin(-1), places.masked_fill(~known, -torch.inf).amax(-1)
    return (highest - lowest).clamp(min=0)


def tag_places(people: Tensor, height: int, width: int, stride: int) -> Tensor:
    """(N, P, J) int64: index of each labelled joint into its picture's flattened (J, height, width) tag maps; -1: none."""
    x, y, state = people.unbind(-1)
    column = ((x + 0.5) / stride - 0.5).round().long()
    row = ((y + 0.5) / stride - 0.5).round().long()
    joint = torch.arange(people.shape[2], device=people.device)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (state == LABELLED)
    return torch.where(inside, (joint * height + row) * width + column, -1)
