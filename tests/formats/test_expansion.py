"""Small files that stand for very many items, by YAML's aliases and CBOR's shared references, end soon."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from machine import in_child

import atomic_store
from atomic_store import LoadError
from atomic_store.testing import Memory


def yaml_bomb(depth: int, width: int = 10, leaf: str = "x") -> bytes:
    lines = [f"- &a0 [{', '.join([leaf] * width)}]"]
    lines += [f"- &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, depth)]
    return "\n".join(lines).encode()


def cbor_bomb(depth: int, width: int = 10) -> bytes:
    value: list[Any] = ["x"] * width
    for _ in range(depth):
        value = [value] * width
    return cbor2.dumps(value, value_sharing=True)


def nested_key(depth: int) -> bytes:
    """A mapping whose key is made of tuples that share their halves: hashing it takes 2 ** depth steps."""
    inner = b"\xd8\x1c\x82\x01\x01"
    for level in range(depth):
        inner = b"\xd8\x1c\x82" + inner + b"\xd8\x1d" + cbor2.dumps(depth - level)
    return b"\xa1" + inner + b"\x01"


def refused(content: bytes, format: str) -> LoadError:
    """Load in a child with little time and memory; the file is sound, and is not moved."""
    place = Memory(content, "here")

    def load() -> None:
        with pytest.raises(LoadError, match="stand for more than") as caught:
            atomic_store.open(place, None, format, on_corrupt="quarantine")
        assert (caught.value.damaged, caught.value.path, caught.value.size) == (False, "here", len(content))
        assert place.asides == []

    in_child(load)
    with pytest.raises(LoadError) as caught:
        atomic_store.open(place, None, format)
    return caught.value


@pytest.mark.parametrize(
    ("format", "content"),
    [
        ("yaml", yaml_bomb(9)),
        ("yaml", yaml_bomb(5, 20, "x" * 500)),
        (
            "yaml",
            b"a: &a [x, x]\n" + b"".join(b"%c: &%c {k: [*%c, *%c]}\n" % (98 + n, 98 + n, 97 + n, 97 + n) for n in range(20)),
        ),
        ("cbor", cbor_bomb(9)),
        ("cbor", nested_key(40)),
        ("cbor", cbor_bomb(9).replace(b"\xd8\x1d", b"\xd9\x00\x1d")),
        ("cbor", cbor_bomb(9).replace(b"\xd8\x1d", b"\xda\x00\x00\x00\x1d")),
    ],
    ids=["lists", "texts", "mappings", "references", "key", "longer tag", "longest tag"],
)
def test_file_that_expands_is_refused_in_bounded_time(format: str, content: bytes) -> None:
    """Some hundred bytes that stand for a million items and more are a LoadError that says so."""
    assert str(refused(content, format)).startswith("'here'")


@pytest.mark.parametrize(("format", "content"), [("yaml", yaml_bomb(5)), ("cbor", cbor_bomb(4))])
def test_sharing_within_reason_is_a_value(format: str, content: bytes) -> None:
    """Anchors and shared references that stand for a hundred thousand items are loaded, and still shared."""
    value = atomic_store.open(Memory(content), None, format).value
    assert value[-1][0] is value[-1][1]


def test_value_that_contains_itself_is_no_expansion() -> None:
    """A reference to what is still being read stands for itself, once."""
    value = atomic_store.open(Memory(b"&a [*a, x]"), None, "yaml").value
    assert value[0] is value
    value = atomic_store.open(Memory(b"\xd8\x1c\x81\xd8\x1d\x00"), None, "cbor").value
    assert value[0] is value


@pytest.mark.parametrize(
    "content",
    [
        cbor2.dumps([b"\xd8\x1d" * 10, "a" * 1000, {1: {2: 3}}, 2**70, 1.5, None, True]),
        cbor2.dumps({"part": [1, 2]}, value_sharing=True) + b"",
        b"\x9f\x5f\x42\xd8\x1d\x41\x01\xff\xbf\x01\x02\xff\x7f\x61a\xff\xff",
        cbor2.dumps([[1, 2], "\x1d" * 300, -(2**40), b"\xd8\x1d"]),
    ],
)
def test_bytes_that_look_like_a_reference_are_none(content: bytes) -> None:
    """The scan that looks for references reads every kind of item, and changes no value."""
    assert atomic_store.open(Memory(content), None, "cbor").value == cbor2.loads(content)
    for cut in range(1, len(content)):
        with pytest.raises(LoadError) as caught:
            atomic_store.open(Memory(content[:cut]), None, "cbor")
        assert caught.value.damaged
