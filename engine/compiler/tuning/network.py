"""Tuning of a whole network: its operators one after another, into records that can be gone on with at any time."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.compiler.kernels.bottleneck import Bottleneck, QuantisedBottleneck
from engine.compiler.kernels.expand_depthwise import ExpandDepthwise
from engine.compiler.kernels.pointwise import Pointwise, QuantisedPointwise
from engine.compiler.quantised_graph import graph_builder
from engine.compiler.records import Entries
from engine.compiler.tiling import Core
from engine.compiler.tilings import Tilings, key, to_json
from engine.compiler.tuning.search import Found, Times, search
from engine.compiler.versions import kernels_version
from models.checkpoints import Checkpoint


@dataclass(frozen=True, slots=True)
class Step:
    """One operator done. uses: of it in the network. found: None where the records had it already."""

    number: int
    total: int
    operator: str
    uses: int
    found: Found | None
    seconds: float


class _Asked(Tilings):
    """Notes which operators a network asks tilings for."""

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.operators: Counter[Any] = Counter()

    def __call__(self, op: Any) -> Any:
        self.operators[op] += 1
        return super().__call__(op)


def operators(checkpoint: Checkpoint, height: int, width: int, core: Core) -> Counter[Any]:
    """The network's operators and how often each is used; a bottleneck and, for the choice between them, its two halves."""
    asked = _Asked(core)
    graph_builder(checkpoint, height, width, core, asked).build()
    found: Counter[Any] = Counter()
    for op, uses in asked.operators.items():
        if isinstance(op, (ExpandDepthwise, Pointwise)):
            continue
        found[op] += uses
        if isinstance(op, Bottleneck):
            for half in _halves(op):
                found[half] += uses
    return found


def _halves(op: Bottleneck) -> tuple[ExpandDepthwise, Pointwise]:
    pixels = op.inner.out_height * op.inner.out_width
    kind = QuantisedPointwise if isinstance(op, QuantisedBottleneck) else Pointwise
    return op.inner, kind(op.inner.middle, op.outputs, pixels, op.residual)


def tune(network: Counter[Any], core: Core, entries: Entries, times: Times) -> Iterator[Step]:
    """Searches what `entries` lacks for these kernels, and writes it there before each step is given out."""
    version = kernels_version()
    for number, (op, uses) in enumerate(network.items(), 1):
        name = key(op)
        if entries.get(name, {}).get("kernels") == version:
            yield Step(number, len(network), name, uses, None, 0.0)
            continue
        started = time.monotonic()
        found = search(op, core, times)
        entries[name] = {
            "tiling": to_json(found.tiling),
            "default_us": round(found.default_us, 2),
            "best_us": round(found.best_us, 2),
            "tried": found.tried,
            "kernels": version,
        }
        yield Step(number, len(network), name, uses, found, time.monotonic() - started)
    choose_bottlenecks(network, core, entries)


def choose_bottlenecks(network: Counter[Any], core: Core, entries: Entries) -> None:
    """One kernel or two, whichever took less time."""
    for op in network:
        if not isinstance(op, Bottleneck):
            continue
        entry = entries[key(op)]
        halves = sum(entries[key(half)]["best_us"] for half in _halves(op))
        entry["two_kernels_us"] = round(halves, 2)
        if halves < entry["best_us"]:
            entry["tiling"] = None
