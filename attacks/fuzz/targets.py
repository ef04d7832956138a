"""What is attacked: each format and wrapper, with valid files and with what must hold beyond "only LoadError"."""

from __future__ import annotations

import bz2
import gzip
import hmac
import lzma
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any, NamedTuple

from pydantic import BaseModel

import atomic_store
from atomic_store import Compressed, Signed, Verified, Versioned
from atomic_store.formats import resolve
from atomic_store.testing import Memory

from . import seeds
from .mutation import Mutator
from .values import STATES, State, values

KEY, OTHER_KEY = b"the key of the program itself 1!", b"the key of somebody else, so bad"
ELSEWHERE = b"what the holder of the key has signed elsewhere"
MARK = b"\n-- atomic_store hmac-sha256 "
UNPACKED = 1 << 15
"""Bytes to which the packed values may unpack: small, so that memory taken beyond it is seen."""
MB = 1 << 20


@dataclass(frozen=True)
class Grammar:
    """What a format's files are made of.

    Attributes:
        name: what open() calls the format.
        words: its parts.
        files: files that are meant badly; they need not be valid.
        limit: bytes; the slow parsers get smaller files.
        bounded: whether loading takes memory in proportion to the file.
    """

    name: str
    words: Sequence[bytes]
    files: Sequence[bytes]
    limit: int = 1 << 16
    bounded: bool = True

    def encoded(self, candidates: Sequence[Any]) -> list[bytes]:
        """Give the files of those values that the format can hold."""
        found = []
        for value in candidates:
            place = Memory()
            try:
                atomic_store.open(place, value, self.name).commit()
            except Exception:
                continue
            found.append(place.content or b"")
        return found


JSON = Grammar("json", seeds.JSON_WORDS, seeds.JSON)
# A pickle may ask for any memory, as it may ask for anything.
PICKLE = Grammar("pickle", seeds.PICKLE_WORDS, seeds.pickle_files(), bounded=False)
BSON = Grammar("bson", seeds.BSON_WORDS, seeds.bson_files())
YAML = Grammar("yaml", seeds.YAML_WORDS, seeds.YAML, limit=800)
TOML = Grammar("toml", seeds.TOML_WORDS, seeds.TOML, limit=2000)
MSGPACK = Grammar("msgpack", seeds.MSGPACK_WORDS, seeds.MSGPACK)
CBOR = Grammar("cbor", seeds.CBOR_WORDS, seeds.CBOR)
GRAMMARS = (JSON, PICKLE, BSON, YAML, TOML, MSGPACK, CBOR)


@dataclass(frozen=True)
class Layer:
    """One wrapper that changes the bytes.

    Attributes:
        wrap: from the bytes inside to an honest file around them.
        words: the parts of what it adds.
        forged: files that look like its own and are none, made of the bytes inside.
    """

    wrap: Callable[[bytes], bytes]
    words: Sequence[bytes] = ()
    forged: Callable[[bytes], list[bytes]] = lambda inside: []


NEVER = "the default, which no file may turn into"


class Case(NamedTuple):
    """One hostile file; `forging`: whoever made it had no key."""

    content: bytes
    forging: bool


@dataclass(frozen=True)
class Target:
    """One way to load hostile files.

    Attributes:
        name: what it is called in results.
        grammar: of the format in the middle.
        format: what open() takes, None: the name of that format.
        type: what open() takes as `type`.
        layers: the wrappers that change bytes, from inside out.
        values: what the valid files hold.
        default: of the store; no file is one.
        share: the part of the usual number of cases that it gets.
        spy: what stands inside a signature, and may be given only what was signed.
    """

    name: str
    grammar: Grammar
    format: Any = None
    type: Any = None
    layers: Sequence[Layer] = ()
    values: Sequence[Any] = ()
    default: Any = NEVER
    share: float = 1
    spy: Spy | None = None

    @cached_property
    def chosen(self) -> Any:
        """What open() takes as `format`."""
        return self.grammar.name if self.format is None else self.format

    @cached_property
    def labels(self) -> set[str]:
        """What errors may call the format: the whole or what is inside."""
        found, format = set(), self.chosen
        while format is not None:
            found.add(resolve(format).label)
            format = None if isinstance(format, str) else getattr(format, "format", None)
        return found

    def allowance(self, size: int) -> int | None:
        """Give the bytes of memory that a load of a file of this size may take, None: any number."""
        if not self.grammar.bounded:
            return None
        if any(layer in PACKERS for layer in self.layers):
            return 64 * MB
        return 32 * MB + 2500 * size  # a byte of flow style is an object of ruamel.yaml with its marks and tokens

    @cached_property
    def mutators(self) -> list[Mutator]:
        """A mutator for each layer, from the format in the middle outwards."""
        valid = self.grammar.encoded(self.values or values())
        # As many of the valid files as of the others: it is from these that damage gets deepest.
        valid *= max(1, len(self.grammar.files) // len(valid))
        inside = [*valid, *self.grammar.files]
        made = [Mutator(inside, self.grammar.words, self.grammar.limit)]
        for layer in self.layers:
            if layer is SIGNED and self.spy is not None:
                self.spy.honest = {*inside, ELSEWHERE}
            outside = [layer.wrap(content) for content in inside]
            forged = [file for content in inside[:20] for file in layer.forged(content)]
            words = [*layer.words, *self.grammar.words[:8], b"\0"]
            made.append(Mutator(outside + forged, words, 4 * self.grammar.limit))
            inside = outside
        return made

    def case(self, seed: int, number: int) -> Case:
        """Give a case, always the same: damage at one of the layers, honestly wrapped from there on."""
        random = Random(f"{seed} {self.name} {number}")
        level = random.randrange(len(self.mutators))
        content = self.mutators[level].content(random)
        for layer in self.layers[level:]:
            content = layer.wrap(content)
        return Case(content, forging=SIGNED in self.layers[:level])


# --- signatures ------------------------------------------------------------------------------------------------------


def signature(content: bytes, key: bytes = KEY) -> bytes:
    """What a signed file ends with, told without the library."""
    return MARK + hmac.new(key, content, "sha256").hexdigest().encode() + b"\n"


def forgeries(content: bytes) -> list[bytes]:
    """What somebody without the key can make of files that he has seen."""
    honest, line = content + signature(content), signature(content)
    return [
        content,
        content + signature(content, OTHER_KEY),
        content + signature(ELSEWHERE),
        content + MARK + b"0" * 64 + b"\n",
        content + MARK + b"\n",
        content + line[:-1],
        content + line + line,
        content + line.upper(),
        content + line.replace(b"sha256", b"none00"),
        content + line[:-2] + b"\0\n",
        honest + b"\n",
        b"x" + honest,
        line,
        content + b" " + line,
        content + line + content + line,
        content[:-1] + line,
        content + line.replace(b"\n", b"\r\n"),
    ]


# None of the words is signed with our key: only what the holder of the key has signed may ever be decoded.
SIGNED = Layer(
    lambda content: content + signature(content),
    (MARK, MARK[1:], signature(b"", OTHER_KEY), b"0" * 64, b"\n"),
    forgeries,
)


class Spy:
    """A format that passes on to another one, and keeps what it was asked to decode.

    Attributes:
        honest: all that the holder of the key has ever signed.
        given: what it was last asked to decode, None: nothing since that was forgotten.
    """

    is_binary = True

    def __init__(self, format: Any) -> None:
        self.format = format
        self.honest: set[bytes] = set()
        self.given: bytes | None = None

    def dump(self, value: Any, file: Any) -> None:
        """Write the value."""
        resolve(self.format).dump(value, file)

    def load(self, file: Any) -> Any:
        """Read a value."""
        self.given = file.read()
        file.seek(0)
        return resolve(self.format).load(file)


# --- compression -----------------------------------------------------------------------------------------------------


def zstd(content: bytes) -> bytes:
    """Pack as zstd, past the library's wrapper."""
    try:
        packer: Any = __import__("compression.zstd", fromlist=["compress"])
    except ImportError:
        packer = __import__("backports.zstd", fromlist=["compress"])
    packed: bytes = packer.compress(content)
    return packed


def bomb() -> bytes:
    """Give valid JSON much larger than what may be unpacked: a load that unpacks all of it is seen by its memory."""
    return b" " * (160 * MB) + b"1"


GZIP_WORDS = seeds.tokens(
    r"\x1f\x8b \x1f\x8b\x08\x00 \x08 \x1f \x00\x00\x00\x00 \x03 \xff\xff\x00\x00 \x00\x00\xff\xff \x03\x00"
)
BZ2_WORDS = seeds.tokens(r"BZh9 BZh1 BZh0 1AY&SY \x17\x72\x45\x38\x50\x90 \xff\xff\xff")
XZ_WORDS = seeds.tokens(
    r"\xfd7zXZ\x00 \x00\x04 \x00\x00 \x21\x01\x16 \x21\x01\x28 YZ \x04\xc0 \x00\x00\x00\x00\x1c\xdfD! \x02\x00"
)
ZSTD_WORDS = seeds.tokens(
    r"\x28\xb5\x2f\xfd \x50\x2a\x4d\x18\xff\xff\xff\xff \x00 \xe0 \x01\x00\x00 \xff \xf8 \x37\xa4\x30\xec"
)


def packer(pack: Callable[[bytes], bytes], words: Sequence[bytes]) -> Layer:
    """Give the layer of a compression; its forgeries are bombs, alone and one after another."""
    bombs: list[bytes] = []

    def forged(inside: bytes) -> list[bytes]:
        if not bombs:
            bombs.append(pack(bomb()))
        return [bombs[0], pack(inside) + pack(inside)]

    return Layer(pack, words, forged)


PACKED = {
    "gzip": packer(lambda content: gzip.compress(content, 9, mtime=0), GZIP_WORDS),
    "bz2": packer(lambda content: bz2.compress(content, 1), BZ2_WORDS),
    "xz": packer(lambda content: lzma.compress(content, preset=0), XZ_WORDS),
    "zstd": packer(zstd, ZSTD_WORDS),
}
PACKERS = tuple(PACKED.values())


def compressed(format: Any, method: str) -> Compressed:
    """Give the wrapper with the small limit of these attacks."""
    return Compressed(format, method, max_size=UNPACKED)


# --- the others ------------------------------------------------------------------------------------------------------


def enveloped() -> list[Any]:
    """Give what a file of Versioned holds: envelopes of each version, and what is none."""
    versions: list[Any] = [0, 1, 2, 3, -1, 2**70, 1.5, True, None, "1", [], {}]
    key = Versioned.VERSION_KEY
    return [
        *({key: version, "value": {"a": [1, None]}} for version in versions),
        {key: 1},
        {key: 2, "value": 1, "more": 1},
        {"value": 1},
        {"a": 1},
    ]


def versioned(format: Any) -> Versioned:
    """Give the wrapper with two migrations, the second of which raises for some values."""
    return Versioned(format, 2, {0: lambda value: {"was": value}, 1: lambda value: {"now": value["was"]}})


class Model(BaseModel):
    """A type that is pydantic's own."""

    jobs: list[dict[str, Any]] = []
    limits: dict[str, float] = {}
    extra: Any = None


def spied(name: str, grammar: Grammar, spy: Spy, wrap: Callable[[Signed], Any], *layers: Layer) -> Target:
    """Give a target with a spy right inside the signature, and perhaps something around that."""
    return Target(name, grammar, wrap(Signed(spy, KEY)), layers=layers, share=0.5, spy=spy)


def of_type(grammar: Grammar, share: float) -> Target:
    """Give a target whose values are of a type of msgspec's."""
    return Target(f"{grammar.name}, type=", grammar, type=State, values=STATES, default=State(extra=NEVER), share=share)


def targets() -> list[Target]:
    """Give them all: the formats by themselves, and each wrapper with several, which share its cases."""
    two_keys = Signed("pickle", [b"an older key, " * 2, KEY])
    packed_inside = Verified(versioned(compressed("cbor", "gzip")))
    state_inside = [{Versioned.VERSION_KEY: 2, "value": state} for state in STATES]
    model: dict[str, Any] = {"type": Model, "values": STATES, "default": Model(extra=NEVER)}
    return [
        *(Target(grammar.name, grammar) for grammar in GRAMMARS),
        *(
            Target(f"Versioned({g.name})", g, versioned(g.name), values=enveloped(), share=0.1 if g is YAML else 0.25)
            for g in (JSON, BSON, MSGPACK, CBOR, YAML)
        ),
        *(Target(f"Verified({g.name})", g, Verified(g.name), share=0.5) for g in (JSON, CBOR)),
        *(
            Target(f"Compressed(json, {method})", JSON, compressed("json", method), layers=[layer], share=0.5)
            for method, layer in PACKED.items()
        ),
        *(spied(f"Signed({g.name})", g, Spy(g.name), lambda signed: signed, SIGNED) for g in (JSON, PICKLE)),
        Target("Signed(pickle), two keys", PICKLE, two_keys, layers=[SIGNED], share=0.25),
        spied("Signed(Compressed(pickle))", PICKLE, Spy(compressed("pickle", "xz")), lambda s: s, PACKED["xz"], SIGNED),
        spied(
            "Compressed(Signed(msgpack))", MSGPACK, Spy("msgpack"), lambda s: compressed(s, "zstd"), SIGNED, PACKED["zstd"]
        ),
        Target(
            "Verified(Versioned(Compressed(cbor)))",
            CBOR,
            packed_inside,
            layers=[PACKED["gzip"]],
            values=enveloped(),
            share=0.25,
        ),
        *(of_type(grammar, 0.1 if grammar in (YAML, TOML) else 0.25) for grammar in (JSON, BSON, YAML, TOML, MSGPACK, CBOR)),
        Target("pickle, type=", PICKLE, type=dict[str, Any], default={"never": NEVER}, share=0.25),
        Target("json, type= of pydantic", JSON, share=0.25, **model),
        Target("yaml, type= of pydantic", YAML, share=0.1, **model),
        Target(
            "Versioned(Compressed(json)), type=",
            JSON,
            versioned(compressed("json", "bz2")),
            type=State,
            default=State(extra=NEVER),
            layers=[PACKED["bz2"]],
            values=state_inside,
            share=0.25,
        ),
    ]
