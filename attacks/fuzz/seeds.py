"""What each format's corpus begins with, besides valid files: its words, and files that are meant badly."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import pickle
import struct
import uuid
from typing import Any

import bson


def tokens(text: str) -> tuple[bytes, ...]:
    """Give the words of a text that are set apart by blanks, escapes resolved as in Python."""
    return tuple(word.encode().decode("unicode_escape").encode("latin-1") for word in text.split())


def bombs(open_with: bytes, pairs: str) -> bytes:
    """Give a YAML file of nested aliases: some hundred bytes that stand for billions of values."""
    lines = [b"a: &a " + open_with]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        alias = pairs.replace("x", before).encode()
        lines.append(f"{name}: &{name} ".encode() + b"[" + b", ".join([alias] * 9) + b"]")
    return b"\n".join(lines) + b"\n"


JSON_WORDS = tokens(
    r"""[ ] { } : , " \\ / true false null NaN Infinity -Infinity 0 1 -1 1e999 -1e-999 1.0 {"a": {"a":1} [[ [] {}
    \xef\xbb\xbf \\u0000 \\ud800 \\udfff\\ud800 \xed\xa0\x80 \xff \xc0\x80 \x00 \x20 \n \r\n \t "value"
    "__atomic_store_version__" 99999999999999999999999999 0.1e1 -0 -0.0"""
)
JSON = [
    b"\xef\xbb\xbf[1]",
    b'{"a": 1, "a": 2}',
    b"[" * 5000,
    b"[1" * 5000,
    b'{"a":' * 5000,
    b"1" * 5000,
    b"-" + b"1" * 4301,
    b"0." + b"1" * 5000,
    b"1e" + b"9" * 400,
    b'"' + b"\\u0000" * 1000 + b'"',
    b'"\\ud800"',
    b"NaN",
    b" " * 5000 + b"1",
    "[1, 2]".encode("utf-16"),
]

YAML_WORDS = tokens(
    r"""& &a *a *b - ? : , [ ] { } | > |2- >+ %YAML\x201.1\n---\n %TAG\x20!\x20tag:x:\n --- ...\n \n \n\x20\x20 \x20 \t \r
    !!python/object/apply:os.system\x20["true"] !!binary\x20 !!set\x20 !!omap\x20 !!pairs\x20 !!timestamp\x20 !!int\x20
    !!float\x20 !!str\x20 !!null !!map !!seq !!bool !a !!merge <<: <<:\x20*a\n <<:\x20[*a,*a]\n = ~ null true yes 0x1F 0o17
    0b1 1_000 190:20:30 .inf -.inf .nan 1e999 2001-99-99 2001-12-14t21:59:43.10-05:00 2001-12-14 0001-01-01T00:00:00+23:59
    # #\x20c\n " ' "\\x41" "\\UFFFFFFFF" "\\ud800" "\\ \x85 \xe2\x80\xa8 \xef\xbb\xbf \x00 \x07 \xff @ ` a:\x20 a:\n\x20\x20
    -\x20 -\x20-\x20 ?\x20[a]\n:\x20 [[ {{ {a: [a, __atomic_store_version__:\x20 value:\x20 jobs:\x20 extra:\x20
    limits:\x20"""
)
YAML = [
    bombs(b"[lol, lol, lol, lol]", "*x"),
    b"extra:\n" + bombs(b"[lol, lol, lol, lol]", "*x").replace(b"\n", b"\n  ")[:-2],
    bombs(b"{k: v}", "{<<: *x}"),
    b"__atomic_store_version__: &a [x, x, x, x, x, x, x, x, x]\nvalue: 1\n",
    b"__atomic_store_version__:\n  " + bombs(b"[x]", "*x").replace(b"\n", b"\n  ") + b"\nvalue: 1\n",
    b"&a [*a]\n",
    b"&a {b: *a}\n",
    b"&a [1, &b [*a, *b]]\n",
    b"? &a [*a]\n: 1\n",
    b"? {a: b}\n: 1\n",
    b"? [a, [b]]\n: 1\n",
    b"a: &x {b: 1}\nc:\n  <<: *x\n  d: 2\n",
    b"a: 1\na: 2\n",
    b"%YAML 1.1\n---\nyes: 0o7\n",
    b"%YAML 9.9\n---\na\n",
    b"!!python/object/apply:os.system ['true']\n",
    b"!!set {a, b}\n",
    b"!!omap [a: 1, b: 2]\n",
    b"!!binary AAEC\n",
    b"!!timestamp 2001-12-14 21:59:43.10 -5\n",
    b"2001-02-30\n",
    b"a: |\n  text\n  more\nb: >-\n  folded\n\n  text\n",
    b"# comment\na: 1 # why\n\n# before b\nb:\n  - 1\n  # inside\n  - 2\n",
    b"--- 1\n--- 2\n",
    b"[" * 1500,
    b"- " * 1500,
    b"? " * 1500,
    b"{a: " * 1500,
    b"!!int " + b"1" * 5000,
    b"0x" + b"f" * 5000,
    b"1" * 5000 + b"\n",
    b"1:" * 500 + b"1\n",
    b"'" + b"x\n" * 500 + b"'\n",
    b'"\\x00\\uD800\\U0010FFFF"\n',
]

TOML_WORDS = tokens(
    r"""[ ] [[ ]] [a] [[a]] [a.b] = \x20=\x20 . , { } a.a. a= "a" 'a' \"\"\" ''' # \n \r\n \r \t \x20 a=1\n "" true false inf
    -inf nan 0x1F 0o17 0b1 1_000 1e999 1979-05-27T07:32:00Z 1979-05-27 07:32:00.999999999 9999-99-99 24:61:61 +1 -0
    \\u0000 \\ud800 \\UFFFFFFFF \\x41 \\\n \xef\xbb\xbf \x00 \xff [a [[ {a= {a={ [{ extra= jobs= limits=
    99999999999999999999"""
)
TOML = [
    b"",
    b"# only a comment\n",
    b"[a]\nb = 1\n[a.c]\nd = 2\n[[e]]\nf = 1\n[[e]]\nf = 2\n[[e.g]]\n",
    b"a.b.c = 1\na.b.d = 2\n",
    b"a = 1\na = 2\n",
    b"a = {b = {c = 1}, d = [1, 2, {e = 3}]}\n",
    b"a = \"\"\"x\n\\\n  y\"\"\"\nb = '''z'''\n",
    b"a = 1979-05-27T07:32:00.999999-07:00\nb = 07:32:00\nc = 1979-05-27\n",
    b"a = 9999-99-99\n",
    b"a" + b".a" * 1500 + b" = 1\n",
    b"[a" + b".a" * 1500 + b"]\n",
    b"a = " + b"[" * 1500,
    b"a = " + b"{a=" * 1500,
    b"a = " + b"1" * 5000 + b"\n",
    b"a = 0x" + b"f" * 5000 + b"\n",
    b"".join(b"[a%d]\nb = 1\n" % n for n in range(100)),
    b"".join(b"[[a]]\n[a.b%d]\n" % n for n in range(60)),
    b"a = [" + b"1, # c\n" * 200 + b"]\n",
]

MSGPACK_WORDS = tokens(
    r"""\x80 \x81 \x8f \x90 \x91 \x9f \xa0 \xa1a \xc0 \xc1 \xc2 \xc3 \xc4 \xc5 \xc6 \xc7 \xc8 \xc9 \xca \xcb \xcc \xcd \xce
    \xcf \xd0 \xd1 \xd2 \xd3 \xd4 \xd5 \xd6 \xd7 \xd8 \xd9 \xda \xdb \xdc \xdd \xde \xdf \xe0 \xff \x00 \x7f
    \xdd\xff\xff\xff\xff \xdf\xff\xff\xff\xff \xc6\xff\xff\xff\xff \xdb\xff\xff\xff\xff \xc9\xff\xff\xff\xff\xff
    \xdd\x00\x01\x00\x00 \xdf\x00\x01\x00\x00 \xd6\xff\x00\x00\x00\x01 \xd7\xff \xc7\x0c\xff \x81\xa1a \xa2\xed\xa0"""
)
MSGPACK = [
    b"\x91" * 5000 + b"\xc0",
    b"\x81\xc0" * 5000 + b"\xc0",
    b"\x81" * 5000 + b"\xc0",
    b"\xdd\xff\xff\xff\xff",
    b"\xdd\x7f\xff\xff\xff" * 50,
    b"\xdf\xff\xff\xff\xff" * 50,
    b"\xc6\xff\xff\xff\xff",
    b"\xd6\xff\xff\xff\xff\xff",
    b"\xd7\xff" + b"\xff" * 8,
    b"\xc7\x0c\xff" + b"\xff" * 12,
    b"\xd4\x05x",
    b"\x81\x90\xc0",
    b"\x81\x80\xc0",
    b"\xa2\xff\xfe",
]

CBOR_WORDS = tokens(
    r"""\x00 \x18 \x19 \x1a \x1b \x1f \x20 \x38 \x3b \x40 \x41a \x58 \x5a \x5b \x5f \x60 \x61a \x78 \x7a \x7b \x7f \x80 \x81
    \x82 \x98 \x9a \x9b \x9f \xa0 \xa1 \xb8 \xba \xbb \xbf \xff \xc0 \xc1 \xc2 \xc3 \xc4\x82 \xc5\x82 \xd5 \xd6 \xd7 \xd8\x18
    \xd8\x19 \xd8\x1c \xd8\x1d\x00 \xd8\x1e\x82 \xd8\x23\x61a \xd8\x24 \xd8\x25\x50 \xd8\x64 \xd9\x01\x00 \xd9\x01\x02\x81
    \xd9\x01\x04\x44 \xd9\x01\x05 \xd9\x03\xec \xd9\xd9\xf7 \xd9\xa8\xf8 \xf4 \xf5 \xf6 \xf7 \xf8 \xf8\x20 \xf9 \xfa \xfb
    \x1b\xff\xff\xff\xff\xff\xff\xff\xff \x3b\xff\xff\xff\xff\xff\xff\xff\xff \x5b\x7f\xff\xff\xff\xff\xff\xff\xff
    \x9b\x00\x00\x00\x00\x7f\xff\xff\xff \xbb\x00\x00\x00\x00\x7f\xff\xff\xff \x9b\x7f\xff\xff\xff\xff\xff\xff\xff
    \xd8\x1c\x81\xd8\x1d\x00 \xc1\xfb\x7f\xf0\x00\x00\x00\x00\x00\x00 \xd8\x23\x64(a|b \xd8\x23\x61( \xc0\x74"""
)
CBOR = [
    b"\x81" * 5000 + b"\xf6",
    b"\xa1\xf6" * 5000 + b"\xf6",
    b"\xc6" * 5000 + b"\xf6",
    b"\xd8\x1c" * 5000 + b"\xf6",
    b"\xd8\x1c\x81\xd8\x1d\x00",
    b"\xd8\x1c\xa1\x61a\xd8\x1d\x00",
    b"\xd8\x1c\xd9\x01\x02\x81\xd8\x1d\x00",
    b"\xd8\x1d\x00",
    b"\xd8\x1c\xd8\x1d\x00",
    b"\xa1\xd8\x1c\x81\xd8\x1d\x00\x01",
    b"\xd9\x01\x00\x82\x63abc\xd8\x19\x00",
    b"\xd8\x19\x00",
    b"\xc1\xfb\x7f\xf0" + bytes(6),
    b"\xc1\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xc0\x782099-99-99T99:99:99Z",
    b"\xc2\x59\x20\x00" + b"\xff" * 8192,
    b"\xc4\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xc5\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xc5\x82\x3b\x7f\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xc5\x82\x1a\x7f\xff\xff\xff\x01",
    b"\xd8\x1e\x82\x01\x00",
    b"\xd8\x1e\x82\x01\x20",
    b"\xd8\x23\x61(",
    b"\xd8\x23\x72(?:a{9999}){9999}",
    b"\xd8\x24\x70MIME-Version: 1.0",
    b"\xd8\x25\x41a",
    b"\xd9\x01\x04\x44\x7f\x00\x00\x01",
    b"\xd9\x01\x05\xa1\x44\x7f\x00\x00\x00\x18\x08",
    b"\xd9\x01\x02\x82\x01\x80",
    b"\xd8\x64\x1b\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\xd9\x03\xec\x6a2001-02-30",
    b"\x5f\x41a\x41b\xff",
    b"\x7f\x61a\x41b\xff",
    b"\x9f\x9f\x9f\xff",
    b"\xbf\x01\xff",
    b"\x9b\x00\x00\x00\x00\x7f\xff\xff\xff",
    b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x7b\x00\x00\x00\x00\x7f\xff\xff\xff",
    b"\xbb\x00\x00\x00\x00\x7f\xff\xff\xff",
    b"\xf8\x10",
    b"\xff",
    b"\xfc",
]


def bson_files() -> list[bytes]:
    """Give a document for each type of element, and some whose lengths lie."""
    kinds: list[Any] = [
        bson.ObjectId(b"0" * 12),
        bson.Regex("a(b|c)*", "i"),
        bson.Code("f()"),
        bson.Code("f()", {"a": 1}),
        bson.Decimal128("1.5E+10"),
        bson.DBRef("c", 1),
        bson.MinKey(),
        bson.MaxKey(),
        bson.Timestamp(1, 2),
        bson.Int64(5),
        *(bson.Binary(bytes(16), subtype) for subtype in (0, 2, 3, 4, 5, 6, 7, 8, 9, 128)),
    ]
    deep: dict[str, Any] = {}
    for _ in range(90):
        deep = {"a": [deep]}
    documents: list[dict[str, Any]] = [{"a": kind} for kind in kinds] + [deep]
    files = [bson.encode(document) for document in documents]
    files.append(b"\x0f\0\0\0\x02a\0\xff\xff\xff\xffx\0\0\0")  # a text of negative length
    files.append(struct.pack("<i", 14) + b"\x09a\0" + b"\x7f" * 6 + b"\0")  # a date far out
    head = b"\x03a\0"
    nested = b"".join(struct.pack("<i", 5 + 8 * (4000 - n)) + head for n in range(4000)) + b"\x05\0\0\0\0" + b"\0" * 4000
    files.append(nested)
    return files


BSON_WORDS = (
    *(bytes([kind]) + b"a\0" for kind in [*range(0x14), 0x7F, 0xFF]),
    *tokens(
        r"""\x00 \x05\x00\x00\x00\x00 \xff\xff\xff\xff \x00\x00\x00\x80 \xff\xff\xff\x7f \x01\x00\x00\x00 $ref\x00 $id\x00
        a\x00 0\x00"""
    ),
)

OPERANDS = (b"", b"\0", b"\x05", b"\xff" * 4, b"\xff\xff\xff\x7f", b"\xff" * 7 + b"\x7f", b"1\n")
OPCODES = [getattr(pickle, name) for name in pickle.__all__ if name.isupper()]
PICKLE_WORDS = (
    *(code + operand for code in OPCODES if isinstance(code, bytes) for operand in OPERANDS),
    *tokens(
        r"""cos\nsystem\n cbuiltins\nset\n cbuiltins\nbytearray\n c__main__\nX\n \x8c\x02os\x8c\x06system\x93 ) ( ]( }( t R b
        . 0 N"""
    ),
)


def pickle_files() -> list[bytes]:
    """Give pickles of each protocol, of values whose classes are in guard.HARMLESS, and some that ask for much."""
    shared = ["shared"]
    loop: list[Any] = [1]
    loop.append(loop)
    value: dict[Any, Any] = {
        "shared": [shared, shared],
        "loop": loop,
        "set": {1, 2},
        "frozen": frozenset((1, 2)),
        "ordered": collections.OrderedDict(a=1),
        "bytes": b"x" * 300,
        "array": bytearray(b"yy"),
        "complex": 1j,
        "when": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        "delta": dt.timedelta(1, 2, 3),
        "decimal": decimal.Decimal("1.5"),
        "id": uuid.UUID(int=1),
        "big": 2**200,
        "text": "ü" * 300,
        (1, 2, 3): (4, (5, 6), ()),
    }
    files = [pickle.dumps(value, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    files += [pickle.dumps(None), pickle.dumps([1, "a", 2.5]), pickle.dumps({"a": [1, {"b": ()}]})]
    return [
        *files,
        b"\x80\x04\x8e" + struct.pack("<Q", 2**62),
        b"\x80\x04\x8e" + struct.pack("<Q", 2**34),
        b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N.",
        b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1),
        b"\x80\x02\x8b" + struct.pack("<i", -1),
        b"Nr" + struct.pack("<I", 2**32 - 1) + b".",
        b"Nr" + struct.pack("<I", 2**24) + b".",
        b"p99999999999999999999\n.",
        b"]" * 5000 + b"a" * 4999 + b".",
        b"(" * 5000 + b"t" * 5000 + b".",
        b"N" + b"\x85" * 5000 + b".",
        b"I" + b"1" * 5000 + b"\n.",
        b"L" + b"1" * 5000 + b"L\n.",
        b"cos\nsystem\n(S'true'\ntR.",
        b"cnowhere\nto_be_found\n.",
        b"\x80\x04\x82\x01.",
        b"\x80\x05\x97.",
        b"\x80\x04\x8c\x01a\x94Q.",
        b"Pid\n.",
        b"F1e999\n.",
        b"S'\\x'\n.",
        b"V\\ud800\n.",
        b"}(]Nu.",
        b"\x80\x04]\x94(h\x00h\x00e.",
        b"0.",
        b"1.",
        b"e.",
    ]
