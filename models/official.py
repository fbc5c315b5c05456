"""Official LitePose checkpoints: pickled PyTorch files, read without running code from them. Imports torch when called."""

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import WeightsError

# Wrappers that training left around the network: DataParallel's "module.", and "1." where it was a sequence's second part.
_WRAPPERS = re.compile(r"^(?:module\.|1\.)+")


def read_state(path: Path) -> dict[str, NDArray[np.generic]]:
    """The tensors of a .pth or .pth.tar file by official name, without wrappers' prefixes.

    Raises WeightsError for a file that is unreadable, holds no tensors, or would need code to run.
    """
    content = _unpickle(path)
    while isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    return _arrays(content, path)


def _unpickle(path: Path) -> Any:
    import torch

    # The trainer of the official repository stores its best score beside the weights, as a NumPy number.
    scalar: Any = np.float64(0).__reduce__()[0]
    numbers: list[Any] = [np.dtype, *(type(np.dtype(kind)) for kind in (np.float32, np.float64, np.int64))]
    numbers += [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]  # NumPy 1 and 2
    try:
        with torch.serialization.safe_globals(numbers), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about the age of the file
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"There is no file “{path}”.") from error
    except OSError as error:
        raise WeightsError(f"Cannot read the checkpoint “{path}”: {error}.") from error
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        if named:
            raise WeightsError(
                f"“{path}” needs code to be loaded ({named[1]}), which could do anything, so it is refused. "
                "Save its state_dict alone and import that."
            ) from error
        raise WeightsError(f"“{path}” is damaged or no PyTorch checkpoint.") from error
    # What torch raises for a file that is cut off or no checkpoint depends on where its parser stumbles.
    except Exception as error:
        raise WeightsError(f"“{path}” is damaged or no PyTorch checkpoint.") from error


def _arrays(content: Any, path: Path) -> dict[str, NDArray[np.generic]]:
    import torch

    if not isinstance(content, Mapping):
        raise WeightsError(f"“{path}” holds no state_dict but a {type(content).__name__}.")
    result: dict[str, NDArray[np.generic]] = {}
    for key, tensor in content.items():
        name = _WRAPPERS.sub("", str(key))
        if not isinstance(tensor, torch.Tensor):
            raise WeightsError(f"“{path}” holds no state_dict: “{key}” is a {type(tensor).__name__}, not a tensor.")
        if name in result:
            raise WeightsError(f"“{path}” holds “{name}” more than once, under different prefixes.")
        if not name.endswith("num_batches_tracked"):
            result[name] = tensor.detach().float().numpy()
    return result
