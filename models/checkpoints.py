"""Weights of a network: reading them, checking that they fit, writing them. Torch is imported for official files only."""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from models import architecture as architectures
from models import manifest, ranges
from models.architecture import Architecture
from models.errors import ArchitectureError, WeightsError
from models.parameters import LAST, Shapes, expected_shapes
from models.ranges import Ranges
from models.skeleton import COCO_17, SKELETONS, Skeleton, skeleton_named
from models.synthetic import random_tensors

__all__ = ["Checkpoint", "expected_shapes", "import_official", "load", "mean", "save", "synthetic"]

SUFFIX = ".safetensors"
HALF_LIMIT = float(np.finfo(np.float16).max)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A network with its weights. Make one with `load`, `import_official`, `synthetic` or `checked`.

    tensors:  float32 by official parameter name, exactly the names and shapes of `expected_shapes`.
    metadata: free text about where the weights come from.
    sha256:   of the names, shapes and values, in hexadecimal: equal weights have the same, in whatever file they lie.
    ranges:   of the activations, from a file beside the weights; None where there is none. They may be of other weights.
    """

    architecture: Architecture
    skeleton: Skeleton
    tensors: dict[str, NDArray[np.float32]]
    metadata: dict[str, str]
    sha256: str
    ranges: Ranges | None = None

    def activation_ranges(self) -> dict[str, tuple[float, float]]:
        """Of these very weights, by layer. Raises WeightsError where they have to be found first."""
        if self.ranges is None or self.ranges.weights != self.sha256:
            reason = "they are not known for these weights" if self.ranges is None else "the weights have changed since"
            raise WeightsError(
                f"8-bit arithmetic needs the ranges of the activations, and {reason}. Find them once, with some pictures of "
                "people: main.py models calibrate SIZE|FILE --pictures DIR."
            )
        return self.ranges.layers


def checked(
    architecture: Architecture,
    skeleton: Skeleton,
    tensors: Mapping[str, NDArray[np.generic]],
    metadata: Mapping[str, str],
    origin: str,
) -> Checkpoint:
    """A checkpoint of tensors of any float type, in the network's order. `origin` names them in messages.

    Raises WeightsError where a tensor is missing, unknown, of another shape, or not finite.
    """
    found = {name: tensor for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")}
    expected = expected_shapes(architecture, skeleton.joint_count)
    problems = _problems(expected, {name: tensor.shape for name, tensor in found.items()})
    if problems:
        wanted = f"size {architecture.name} with {skeleton.joint_count} joints"
        more = f" (and {len(problems) - 1} more such differences)" if len(problems) > 1 else ""
        raise WeightsError(f"{origin} do not fit {wanted}: {problems[0]}{more}.{_hint(found)}")
    result = {name: np.ascontiguousarray(found[name], np.float32) for name in expected}
    for name, tensor in result.items():
        if not np.isfinite(tensor).all():
            raise WeightsError(f"{origin} are damaged: “{name}” has values that are not finite.")
        if name.endswith("running_var") and (tensor < 0).any():
            raise WeightsError(f"{origin} are damaged: “{name}” has negative variances.")
    return Checkpoint(architecture, skeleton, result, dict(metadata), _digest(result))


def load(size_or_path: str | Path) -> Checkpoint:
    """Reads the weights of a size ("xs") or of a .safetensors file.

    Raises WeightsError where there are none, or where the file is unreadable or does not fit its network, and
    ArchitectureError for an unknown size.
    """
    path = Path(size_or_path)
    if path.suffix == SUFFIX:
        return _read(path)
    if path.suffix in (".pth", ".tar", ".pt"):
        raise WeightsError(
            f"“{path}” is a PyTorch checkpoint. Import it first: main.py models import “{path}” --size xs|s|m|l."
        )
    architecture = architectures.load(size_or_path)
    weights = manifest.find(architecture.name)
    if weights is None:
        raise WeightsError(
            f"There are no weights for size {architecture.name} yet. Train it (main.py train --size {architecture.name}),"
            f" or import an official checkpoint (main.py models import FILE --size {architecture.name})."
        )
    checkpoint = _read(weights.path)
    if checkpoint.architecture != architecture:
        raise WeightsError(f"“{weights.path}” holds another network, {checkpoint.architecture.name}. Remove the file.")
    if not weights.matches_manifest():
        raise WeightsError(f"“{weights.path}” is not the file that the manifest lists. Install the program again.")
    return checkpoint


def load_or_make_up(size: str) -> Checkpoint:
    """The weights of a size, or made-up ones of COCO's joints where there are none: for measuring times, which do not depend
    on them. Raises as `load`."""
    found = architectures.load(size)
    return synthetic(found, COCO_17, seed=0) if manifest.find(found.name) is None else load(size)


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Writes a .safetensors file in half precision, with the metadata that `load` needs. The file appears complete or not.

    Tensors that half precision cannot hold stay in single precision: official batch norms may have huge variances.
    """
    architecture = checkpoint.architecture
    metadata = dict(checkpoint.metadata) | {
        "size": architecture.name,
        "joints": str(checkpoint.skeleton.joint_count),
        "skeleton": checkpoint.skeleton.name,
    }
    if architecture.name not in architectures.available() or architectures.load(architecture.name) != architecture:
        metadata["architecture"] = architectures.to_yaml(architecture)
    tensors = {name: _narrowed(tensor) for name, tensor in checkpoint.tensors.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            written = Path(folder) / path.name
            save_file(tensors, written, metadata)
            written.replace(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"Cannot write the weights “{path}”: {error}.") from error


def import_official(path: str | Path, size: str | Path, joints: int | None = None) -> Checkpoint:
    """Reads an official LitePose checkpoint (.pth, .pth.tar) without running code from it. Imports torch.

    size:   name or YAML file of the architecture.
    joints: 17 (COCO) or 14 (CrowdPose); what the file has, if left out.
    """
    from models.official import read_state

    tensors = read_state(Path(path))
    origin = f"The weights in “{path}”"
    joints = _joints(tensors, origin) if joints is None else joints
    metadata = {"data": f"imported from the official checkpoint {Path(path).name}"}
    return checked(architectures.load(size), _skeleton(joints), tensors, metadata, origin)


def synthetic(architecture: Architecture, skeleton: Skeleton, seed: int) -> Checkpoint:
    """Random weights that behave like trained ones (they find nobody): for building and timing any network."""
    tensors = random_tensors(architecture, skeleton.joint_count, seed)
    return checked(architecture, skeleton, tensors, {"data": f"random numbers, seed {seed}"}, "Random weights")


def mean(snapshots: Sequence[Checkpoint]) -> Checkpoint:
    """The mean of what one run had at several moments: "Averaging Weights Leads to Wider Optima and Better Generalization"
    (Izmailov et al., UAI 2018). Running statistics of norms are averaged as well, which is near enough for snapshots whose
    weights are near each other.

    Has the metadata of the one with most views. Raises WeightsError where they are of different networks.
    """
    latest = max(snapshots, key=lambda one: float(one.metadata.get("views", 0)))
    for one in snapshots:
        if (one.architecture, one.skeleton) != (latest.architecture, latest.skeleton):
            networks = [f"{each.architecture.name} with {each.skeleton.joint_count} joints" for each in (one, latest)]
            raise WeightsError(f"Weights of different networks have no mean: {networks[0]}, and {networks[1]}.")
    tensors = {name: np.mean([one.tensors[name] for one in snapshots], axis=0) for name in latest.tensors}
    return checked(latest.architecture, latest.skeleton, tensors, latest.metadata, "Averaged weights")


def _read(path: Path) -> Checkpoint:
    origin = f"The weights in “{path}”"
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    except FileNotFoundError as error:
        raise WeightsError(f"There is no file “{path}”.") from error
    except OSError as error:
        raise WeightsError(f"Cannot read the weights “{path}”: {error}.") from error
    # numpy has no bfloat16 and no 8-bit floats; safetensors then fails with whatever its lookup raises.
    except (SafetensorError, TypeError, KeyError, AttributeError, ValueError) as error:
        raise WeightsError(
            f"“{path}” is damaged or no .safetensors file of half or single precision ({error})."
        ) from error
    try:
        joints = int(metadata["joints"]) if "joints" in metadata else _joints(tensors, origin)
        skeleton = skeleton_named(metadata["skeleton"]) if "skeleton" in metadata else _skeleton(joints)
        if "architecture" in metadata:
            architecture = architectures.from_yaml(metadata["architecture"], f"{path}: architecture")
        elif "size" in metadata:
            architecture = architectures.load(metadata["size"])
        else:
            raise WeightsError(f"{origin} do not say which network they belong to: metadata “size” is missing.")
    except (ArchitectureError, ValueError) as error:
        raise WeightsError(f"{origin} have wrong metadata: {error}") from error
    if joints != skeleton.joint_count:
        raise WeightsError(
            f"{origin} have wrong metadata: {joints} joints, but {skeleton.name} has {skeleton.joint_count}."
        )
    return replace(checked(architecture, skeleton, tensors, metadata, origin), ranges=ranges.read(ranges.beside(path)))


def _joints(tensors: Mapping[str, NDArray[np.generic]], origin: str) -> int:
    if LAST not in tensors or tensors[LAST].ndim != 4:
        raise WeightsError(f"{origin} are no LitePose network: “{LAST}” is missing.")
    return int(tensors[LAST].shape[0])


def _skeleton(joints: int) -> Skeleton:
    for skeleton in SKELETONS.values():
        if skeleton.joint_count == joints:
            return skeleton
    known = " or ".join(f"{skeleton.joint_count} ({skeleton.name})" for skeleton in SKELETONS.values())
    raise WeightsError(f"No skeleton has {joints} joints. Known: {known}.")


def _problems(expected: Shapes, found: Shapes) -> list[str]:
    """What differs, wrong shapes first: they tell most about which network the tensors are of."""
    wrong = [
        f"“{name}” should be {shape} and is {found[name]}"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    ]
    missing = [f"“{name}” {shape} is missing" for name, shape in expected.items() if name not in found]
    unknown = [f"“{name}” {shape} belongs to no part of it" for name, shape in found.items() if name not in expected]
    return wrong + missing + unknown


def _hint(found: Mapping[str, NDArray[np.generic]]) -> str:
    """The known network that the tensors are of, as a sentence; empty if there is none."""
    shapes = {name: tensor.shape for name, tensor in found.items()}
    for size in architectures.available():
        for skeleton in SKELETONS.values():
            if expected_shapes(architectures.load(size), skeleton.joint_count) == shapes:
                return f" They fit size {size} with {skeleton.joint_count} joints."
    return ""


def _digest(tensors: Mapping[str, NDArray[np.float32]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].shape}\n".encode())
        digest.update(tensors[name].astype("<f4", copy=False).tobytes())
    return digest.hexdigest()


def _narrowed(tensor: NDArray[np.float32]) -> NDArray[np.generic]:
    return tensor if np.abs(tensor).max(initial=0) > HALF_LIMIT else tensor.astype(np.float16)
