"""The network as other runtimes take it, to be measured beside ours: ONNX, and PyTorch at its quickest."""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.checkpoints import Checkpoint


def export_onnx(checkpoint: Checkpoint, height: int, width: int, path: Path) -> None:
    """Writes a network for one input shape: "picture" (1, 3, H, W) float32, normalised RGB -> both heads' maps.

    Needs torch, onnx and onnxscript.
    """
    import torch

    from models.reference import load_module

    # The exporter talks on every channel it finds, of things that are no fault of the user's.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            load_module(checkpoint),
            (torch.zeros(1, 3, height, width),),
            path,
            input_names=["picture"],
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def torch_runner(
    checkpoint: Checkpoint, picture: NDArray[np.float32], threads: int, *, compiled: bool
) -> Callable[[], list[NDArray[np.float32]]]:
    """One inference on `picture` (1, 3, H, W) float32, normalised RGB, eagerly or through torch.compile with frozen weights."""
    import torch

    from models.reference import load_module

    torch.set_num_threads(threads)
    network: Callable[[torch.Tensor], list[torch.Tensor]] = load_module(checkpoint).requires_grad_(False)
    if compiled:
        import torch._inductor.config as inductor

        inductor.freezing = True
        network = torch.compile(network, dynamic=False)
    x = torch.from_numpy(picture)

    def run() -> list[NDArray[np.float32]]:
        with torch.inference_mode():
            return [output[0].numpy() for output in network(x)]

    return run
