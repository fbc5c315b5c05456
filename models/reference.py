"""The network in PyTorch on one picture: slow, obvious, and the truth that the compiled network is compared with."""

import numpy as np
import torch
from numpy.typing import NDArray

from models.checkpoints import Checkpoint
from models.litepose import LitePose
from models.normalisation import MEAN, STD

Maps = tuple[NDArray[np.float32], NDArray[np.float32]]
STRIDE = 32  # input sides are multiples of it


def load_module(checkpoint: Checkpoint) -> LitePose:
    """The network with these weights, ready for inference."""
    network = LitePose(checkpoint.architecture, checkpoint.skeleton.joint_count).eval()
    # Not strict: checkpoints leave out the counters of batches, and are complete otherwise by construction.
    network.load_state_dict({name: torch.tensor(value) for name, value in checkpoint.tensors.items()}, strict=False)
    return network


class ReferenceNetwork:
    """Not quick, and not meant to be: single precision, no folding, whatever threads PyTorch takes.

    module: the network itself, in evaluation mode; takes normalised RGB.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.module = load_module(checkpoint)
        self._mean = torch.tensor(MEAN).reshape(1, 3, 1, 1)
        self._deviation = torch.tensor(STD).reshape(1, 3, 1, 1)

    def maps(self, image: NDArray[np.uint8]) -> Maps:
        """The network's output for one picture.

        image: (H, W, 3) uint8 BGR, already of the input's shape: H and W are multiples of 32.
        Gives (2J, H/4, W/4) float32, heatmaps and then tags, and (J, H/2, W/2) float32, finer heatmaps.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"image must be (H, W, 3) uint8, not {image.shape} {image.dtype}")
        if 0 in image.shape or image.shape[0] % STRIDE or image.shape[1] % STRIDE:
            raise ValueError(f"the sides of image must be multiples of {STRIDE}, not {image.shape[:2]}")
        rgb = torch.tensor(image[..., ::-1].copy(), dtype=torch.float32).permute(2, 0, 1)[None]
        with torch.inference_mode():
            coarse, fine = self.module((rgb - self._mean) / self._deviation)
        return coarse[0].numpy(), fine[0].numpy()
