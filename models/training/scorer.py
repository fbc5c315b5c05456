"""Fits the small network by which weights tell how sure to be of a person."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

HIDDEN, EPOCHS, BATCH, RATE, DECAY = 32, 15, 64, 3e-3, 1e-2


class Layers(NamedTuple):
    """A hidden layer with ReLU and a logistic output. weights: (H, F); biases, output: (H,); all float32."""

    weights: NDArray[np.float32]
    biases: NDArray[np.float32]
    output: NDArray[np.float32]
    offset: float


def fit(features: NDArray[np.float32], goals: NDArray[np.float32], seed: int = 0) -> Layers:
    """Layers whose output is near the goals (N,) in [0, 1] for features (N, F): cross entropy, AdamW. The same for the same
    seed; torch's own random numbers stay as they are."""
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-3
    inputs, targets = torch.from_numpy((features - mean) / deviation), torch.from_numpy(goals)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        hidden, output = nn.Linear(inputs.shape[1], HIDDEN), nn.Linear(HIDDEN, 1)
        parameters = [*hidden.parameters(), *output.parameters()]
        optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=DECAY)
        for _ in range(EPOCHS):
            for chosen in torch.split(torch.randperm(len(inputs)), BATCH):
                logits = output(torch.relu(hidden(inputs[chosen])))[:, 0]
                loss = nn.functional.binary_cross_entropy_with_logits(logits, targets[chosen])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
    weights = hidden.weight.detach().numpy() / deviation
    biases = hidden.bias.detach().numpy() - weights @ mean
    return Layers(weights, biases, output.weight.detach().numpy()[0], float(output.bias.item()))
