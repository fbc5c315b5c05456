"""What the network can be asked to run on. As much as the engine's options say: what they learn is offered by itself. No Qt."""

import typing
from enum import Enum
from typing import Any

from engine.live import LiveOptions

SETTINGS = ("device", "precision")


def offered(name: str, options: type = LiveOptions) -> tuple[str, ...]:
    """The values of the option `name`: members of its enumeration, or words of its Literal. () where there is no choice."""
    kinds = typing.get_type_hints(options).get(name)
    found: list[str] = []
    for kind in typing.get_args(kinds) if _is_union(kinds) else (kinds,):
        if typing.get_origin(kind) is typing.Literal:
            found += [str(value) for value in typing.get_args(kind)]
        elif isinstance(kind, type) and issubclass(kind, Enum):
            found += [str(member.value) for member in kind]
    return tuple(found)


def asked(kept: Any, options: type = LiveOptions) -> dict[str, Any]:
    """The options of SETTINGS that `kept` (preferences) gives and the engine knows; others stay as the engine chooses."""
    given = {name: getattr(kept, name) for name in SETTINGS}
    return {name: value for name, value in given.items() if known(value, offered(name, options))}


def known(value: str, values: tuple[str, ...]) -> bool:
    """Whether it is one of them; where there are several devices of a kind, a number may follow: “opencl:1”."""
    return value.partition(":")[0] in values


def _is_union(kind: Any) -> bool:
    return not isinstance(kind, type) and typing.get_origin(kind) is not typing.Literal and bool(typing.get_args(kind))
