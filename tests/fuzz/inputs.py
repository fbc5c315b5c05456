"""What is fed to the readers: real files with damage, real documents with something foreign in them, and plain noise."""

import copy
import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

# Lengths and counts that parsers stumble over.
TELLING = (
    b"\x00" * 4,
    b"\xff" * 4,
    b"\xff" * 8,
    b"\x7f\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b"\x00\x00\x00\x01",
    b"\n",
    b"\x00",
)
# Nested more deeply than any parser that calls itself can follow.
DEEP = (b"[" * 20_000, b'{"a":' * 20_000, b"- " * 20_000, b"a: {" * 5_000)

scalars: SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-(10**3), 10**3)
    | st.sampled_from(
        [10**400, -(2**63), 2**64, float("nan"), float("inf"), -0.0, 1e308, "", "xs", "../../x", "\x00", "𝕏" * 300]
    )
    | st.floats()
    | st.text(max_size=12)
)
junk: SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)


@st.composite
def damaged(draw: DrawFn, *whole: bytes) -> bytes:
    """One of these files with one to five wounds, or whole; sometimes noise instead."""
    data = bytearray(draw(st.sampled_from(whole)))
    for _ in range(draw(st.integers(0, 5))):
        # A fraction and not a place: it shrinks well and fits files of every length. Headers are hit as often as the rest.
        place = int(draw(st.floats(0, 1)) * min(len(data), draw(st.sampled_from([64, 1024, 1 << 30]))))
        length = draw(st.integers(1, 64))
        match draw(st.sampled_from(["write", "telling", "cut", "remove", "insert", "repeat", "flip"])):
            case "write":
                fresh = draw(st.binary(min_size=1, max_size=16))
                data[place : place + len(fresh)] = fresh
            case "telling":
                fresh = draw(st.sampled_from(TELLING))
                data[place : place + len(fresh)] = fresh
            case "cut":
                del data[place:]
            case "remove":
                del data[place : place + length]
            case "insert":
                data[place:place] = draw(st.binary(max_size=32))
            case "repeat":
                data[place:place] = data[place : place + length] * draw(st.integers(1, 50))
            case "flip" if place < len(data):
                data[place] ^= 1 << draw(st.integers(0, 7))
    return bytes(data)


@st.composite
def altered(draw: DrawFn, document: Any) -> Any:
    """A copy of a document of dictionaries and lists in which up to three values are others, missing or one too many."""
    whole = [copy.deepcopy(document)]
    for _ in range(draw(st.integers(0, 3))):
        parent: Any = whole
        key: Any = 0
        while isinstance(parent[key], dict | list) and parent[key] and draw(st.integers(0, 3)):
            parent = parent[key]
            key = draw(st.sampled_from(sorted(parent) if isinstance(parent, dict) else range(len(parent))))
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "remove" if isinstance(parent, dict):
                del parent[key]
            case "add" if isinstance(parent, dict):
                parent[draw(st.text(max_size=8))] = draw(junk)
            case _:
                parent[key] = draw(junk)
        if not whole[0] or not isinstance(whole[0], dict | list):
            break
    return whole[0]


def texts(document: Any, dump: Any = None) -> SearchStrategy[bytes]:
    """Files with such a document: altered as a document, damaged as bytes, too deep, or noise."""
    write = dump or (lambda value: json.dumps(value))
    whole = write(document).encode()
    return (
        altered(document).map(lambda value: write(value).encode("utf-8", "surrogatepass"))
        | damaged(whole)
        | st.sampled_from(DEEP)
        | st.binary(max_size=100)
        | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass"))
    )
