"""The network as other runtimes take it, to be measured beside ours: ONNX, and PyTorch at its quickest."""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.checkpoints import Checkpoint
from models.errors import LitePoseError


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


def _downloaded(output: Any) -> NDArray[np.float32]:
    maps: NDArray[np.float32] = output[0].cpu().numpy()
    return maps


def torch_cuda_runner(
    checkpoint: Checkpoint, picture: NDArray[np.float32], mode: str
) -> tuple[Callable[[], list[Callable[[], NDArray[np.float32]]]], str]:
    """One inference on an NVIDIA GPU, and that GPU's name. The picture lies there already; each of the maps is given as a
    function that downloads it, valid until the next inference.

    mode: "eager", "compile" (inductor with frozen weights), or "cudagraph" (the same, captured in a CUDA graph).
    Raises LitePoseError where PyTorch finds no GPU.
    """
    import torch

    from models.reference import load_module

    if not torch.cuda.is_available():
        raise LitePoseError("PyTorch finds no NVIDIA GPU. Install its CUDA build, and the GPU's driver.")
    network: Callable[[torch.Tensor], list[torch.Tensor]] = load_module(checkpoint).requires_grad_(False).cuda()
    if mode != "eager":
        import torch._inductor.config as inductor

        inductor.freezing = True
        network = torch.compile(network, dynamic=False, mode="reduce-overhead" if mode == "cudagraph" else None)
    x = torch.from_numpy(picture).cuda()

    def run() -> list[Callable[[], NDArray[np.float32]]]:
        with torch.inference_mode():
            outputs = network(x)
        torch.cuda.synchronize()
        return [partial(_downloaded, output) for output in outputs]

    return run, torch.cuda.get_device_name()
