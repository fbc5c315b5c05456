"""The fastest tiling of one operator, by measuring."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tvm import tirx

from engine.compiler import tiling
from engine.compiler.kernels.bottleneck import Bottleneck
from engine.compiler.tiling import Core
from engine.compiler.tilings import build
from engine.compiler.tuning import space

# What a tiling must gain to replace another one: less is noise, and a rule that stays is easier to trust.
GAIN = 0.02
Times = Callable[[Sequence[tirx.PrimFunc]], list[float]]


@dataclass(frozen=True, slots=True)
class Found:
    """default_us, best_us: measured in turn, at the end. best_us = default_us where the default stays."""

    tiling: Any
    default_us: float
    best_us: float
    tried: int


def search(op: Any, core: Core, times: Times) -> Found:
    """Goes from the default through `space.choices`, each time to the fastest alternative. Of a bottleneck, it searches
    the tiling of the single kernel."""
    default = tiling.whole_bottleneck(op, core) if isinstance(op, Bottleneck) else tiling.default(op, core)
    best, seen = default, {default}
    for vary in space.choices(op, core):
        fresh = [option for option in dict.fromkeys(vary(best)) if option not in seen]
        seen.update(fresh)
        built = [(option, kernel) for option in fresh if (kernel := _built(op, option, core)) is not None]
        if not built:
            continue
        now, *others = times([build(op, best, core, "best"), *(kernel for _, kernel in built)])
        fastest = min(range(len(others)), key=others.__getitem__)
        if others[fastest] < (1 - GAIN) * now:
            best = built[fastest][0]
    if best == default:
        (only,) = times([build(op, default, core, "only")])
        return Found(default, only, only, len(seen))
    before, after = times([build(op, option, core, "duel") for option in (default, best)])
    if after > (1 - GAIN) * before:
        return Found(default, before, before, len(seen))
    return Found(best, before, after, len(seen))


def _built(op: Any, option: Any, core: Core) -> tirx.PrimFunc | None:
    """None for a tiling that does not fit the operator."""
    try:
        return build(op, option, core, "candidate")
    except ValueError:
        return None
