"""Losses of HigherHRNet and LitePose: heatmap regression and associative embedding."""

import torch
from torch import Tensor


def heatmap_loss(output: Tensor, target: Tensor, mask: Tensor, joint_weight: float) -> Tensor:
    """Mean squared error where the mask is 1; places count 1 + joint_weight × target times."""
    return ((output - target) ** 2 * mask * (1 + joint_weight * target)).mean()


def tag_losses(tags: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Pull and push of associative embedding (Newell et al., NeurIPS 2017, eq. 1, as HigherHRNet normalises it).

    tags: (N, J, h, w). places: (N, P, J) as from `targets.tag_places`. Pull is the variance of tags within a person; push
    is exp(-distance²) between the means of two people of a picture, over half the number of ordered pairs.
    """
    known = (places >= 0).float()
    values = torch.gather(tags.flatten(1), 1, places.clamp(min=0).flatten(1)).view(places.shape)
    count = known.sum(-1)
    mean = (values * known).sum(-1) / count.clamp(min=1)
    present = (count > 0).float()
    people = present.sum(1)
    variance = ((values - mean[..., None]) ** 2 * known).sum(-1) / count.clamp(min=1)
    pull = variance.sum(1) / people.clamp(min=1)
    closeness = torch.exp(-((mean[:, :, None] - mean[:, None]) ** 2)) * present[:, :, None] * present[:, None]
    pairs = (people * (people - 1)).clamp(min=1)
    push = 0.5 * (closeness.sum((1, 2)) - people) / pairs
    return pull.mean(), (push * (people > 1)).mean()
