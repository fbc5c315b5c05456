"""Which tiling each operator gets: the one that a search found fastest on such a machine, or the default of `tiling`."""

import dataclasses
import json
import logging
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, get_type_hints

from tvm import tirx

from engine.compiler import tiling
from engine.compiler.kernels.bottleneck import Bottleneck, BottleneckTiling, QuantisedBottleneck, bottleneck
from engine.compiler.kernels.deconv import DeconvTiling, deconv
from engine.compiler.kernels.dot_product import dot_products
from engine.compiler.kernels.emit import elements
from engine.compiler.kernels.expand_depthwise import (
    ExpandDepthwise,
    ExpandDepthwiseTiling,
    QuantisedExpandDepthwise,
    expand_depthwise,
)
from engine.compiler.kernels.head import UpsampledHead, UpsampledHeadTiling, upsampled_head
from engine.compiler.kernels.pointwise import Pointwise, PointwiseTiling, QuantisedPointwise, pointwise
from engine.compiler.kernels.stem import QuantisedStem, Stem, StemTiling, stem
from engine.compiler.kernels.upsampler import Deconv, QuantisedDeconv
from engine.compiler.tiling import Core

CLASSES = {
    "Stem": StemTiling,
    "Bottleneck": BottleneckTiling,
    "ExpandDepthwise": ExpandDepthwiseTiling,
    "Pointwise": PointwiseTiling,
    "QuantisedStem": StemTiling,
    "QuantisedBottleneck": BottleneckTiling,
    "QuantisedExpandDepthwise": ExpandDepthwiseTiling,
    "QuantisedPointwise": PointwiseTiling,
    "QuantisedDeconv": DeconvTiling,
    "Deconv": DeconvTiling,
    "UpsampledHead": UpsampledHeadTiling,
}
# (operator, tiling, lanes, name) -> the kernel; ValueError for a tiling that does not fit the operator.
KERNELS: dict[type, Callable[[Any, Any, int, str], tirx.PrimFunc]] = {
    Stem: stem,
    Bottleneck: bottleneck,
    ExpandDepthwise: expand_depthwise,
    Pointwise: pointwise,
    QuantisedStem: stem,
    QuantisedBottleneck: bottleneck,
    QuantisedExpandDepthwise: expand_depthwise,
    QuantisedPointwise: pointwise,
    QuantisedDeconv: deconv,
    Deconv: deconv,
    UpsampledHead: upsampled_head,
}
log = logging.getLogger(__name__)


def build(op: Any, chosen: Any, core: Core, name: str) -> tirx.PrimFunc:
    """The operator's kernel, in what the core computes in. ValueError for a tiling that does not fit the operator."""
    with elements(core.elements), dot_products(core.dot_product):
        return KERNELS[type(op)](op, chosen, core.lanes, name)


def key(op: Any) -> str:
    """An operator as text, by which records know it."""
    return f"{type(op).__name__} {json.dumps(dataclasses.asdict(op), separators=(',', ':'))}"


class Tilings:
    """tuned: tilings as JSON values by the operator's `key`, from `engine.compiler.records`; null for a bottleneck that is
    faster as two kernels. One that does not fit its operator is left aside with a line in the log."""

    def __init__(self, core: Core, tuned: Mapping[str, Any] | None = None) -> None:
        self._core, self._tuned = core, tuned or {}

    def __call__(self, op: Any) -> Any:
        name = key(op)
        if name in self._tuned:
            try:
                chosen = from_json(type(op).__name__, self._tuned[name])
                if chosen is not None:
                    build(op, chosen, self._core, "check")
                return chosen
            except (TypeError, ValueError) as error:
                log.warning("The tuned tiling of “%s” is left aside: %s.", name, error)
        return tiling.default(op, self._core)


def from_json(operator: str, value: Any) -> Any:
    """The tiling of an operator of that class. Raises TypeError or ValueError for anything that is not one."""
    if value is None and operator in ("Bottleneck", "QuantisedBottleneck"):
        return None
    return _parse(CLASSES[operator], value)


def to_json(chosen: Any) -> Any:
    return None if chosen is None else dataclasses.asdict(chosen)


def _parse(kind: Any, value: Any) -> Any:
    if kind is int:
        if type(value) is not int or value < 1:
            raise ValueError(f"{value!r} is not a positive whole number")
        return value
    hints = _hints(kind)
    if not isinstance(value, dict) or set(value) != set(hints):
        raise ValueError(f"{value!r} does not have the keys {', '.join(hints)}")
    return kind(**{name: _parse(hint, value[name]) for name, hint in hints.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
