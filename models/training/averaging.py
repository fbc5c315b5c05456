"""Exponential moving average of a network's weights: what is judged and shipped."""

import copy

import torch
from torch import nn


class Average:
    """network: the averaged copy, in evaluation mode.

    Every EVERY steps it moves towards the trained network as far as it would have in single steps. Early on, the average
    is over about a tenth of the steps so far.
    """

    EVERY = 5

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        if step % self.EVERY:
            return
        weight = 1 - min(self._decay, (1 + step) / (10 + step)) ** self.EVERY
        for mean, value in zip(self.network.state_dict().values(), network.state_dict().values()):
            if mean.dtype.is_floating_point:
                mean.lerp_(value, weight)
            else:
                mean.copy_(value)
