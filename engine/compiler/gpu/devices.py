"""Which device runs a network: the processor, an OpenCL device, an NVIDIA GPU through CUDA, or the best that is there."""

import logging
from dataclasses import dataclass
from functools import cache

from engine.compiler.gpu import cuda, opencl, presets
from engine.compiler.gpu.device import Device, DeviceError
from engine.compiler.gpu.presets import GpuTarget
from engine.errors import UsageError

DEVICES = ("cpu", "opencl", "cuda", "auto")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Choice:
    """A device and what to compile for it."""

    device: Device
    target: GpuTarget


def choose(wanted: str, target: str | None = None) -> Choice | None:
    """The device for a word of DEVICES, or None for the processor.

    wanted: "opencl" and "cuda" take a number of their list, as in “opencl:1”; without it, the first.
    target: a GPU preset's name; the one that fits the device if left out.
    Raises UsageError for an unknown word, CompilerError for an unknown target, and DeviceError where a device that was
    asked for by name cannot be used. "auto" takes only GPUs, and the processor where none can be used.
    """
    kind, _, number = wanted.partition(":")
    if kind not in DEVICES or (number and (kind in ("cpu", "auto") or not number.isdecimal())):
        raise UsageError(
            f"Unknown device “{wanted}”. Choose one of {', '.join(DEVICES)}, with a number where there are several, such "
            "as opencl:1."
        )
    if kind == "cpu":
        return None
    if kind != "auto":
        return _choice(_open(kind, int(number or 0)), kind, target)
    for kind in ("cuda", "opencl"):
        try:
            if kind == "opencl" and not opencl.find()[0].is_gpu:
                raise DeviceError("OpenCL lists no GPU.")
            return _choice(_open(kind, 0), kind, target)
        except DeviceError as error:
            log.info("not on %s: %s", kind, error)
    log.warning("No GPU can be used; the network runs on the processor. Start with -v to see why.")
    return None


def names(kind: str) -> list[str]:
    """Of the devices that “kind:0”, “kind:1”, … mean. Raises DeviceError where there is none."""
    return [found.name for found in (opencl.find() if kind == "opencl" else cuda.find())]


def _choice(device: Device, kind: str, target: str | None) -> Choice:
    if target is not None and presets.load(target).kind != kind:
        fitting = ", ".join(presets.available(kind))
        raise UsageError(f"The target “{target}” is not for {kind}. Choose one of {fitting}, or leave it out.")
    return Choice(device, device.target(target))


@cache
def _open(kind: str, number: int) -> Device:
    """Networks of one process share a device."""
    found = names(kind)
    if number >= len(found):
        listed = ", ".join(f"{kind}:{place} ({name})" for place, name in enumerate(found))
        raise DeviceError(f"There is no device {kind}:{number}. There are {listed}.")
    device: Device = opencl.OpenClDevice(opencl.find()[number]) if kind == "opencl" else cuda.CudaDevice(number)
    log.info("using the %s device “%s”", kind, device.name)
    return device
