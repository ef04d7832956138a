"""The contract that plugin authors run, kept by every built-in format, and broken by formats that are broken."""

from __future__ import annotations

import datetime as dt
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from stand_ins import Files, Strings

from atomic_store import AbstractFormatBstr, Compressed, LoadError, Verified, Wrapper
from atomic_store.testing import FormatContract

MOMENT = dt.datetime(2026, 11, 20, 12, 30, 15, 250000, dt.UTC)
MAPPING: dict[str, Any] = {"name": "Zürich 𝄞", "runs": [1, 2.5, True, False], "part": {"text": "a\r\nb", "none": []}}


class Stubborn:
    """What not even a pickle can hold."""

    def __reduce__(self) -> str:
        raise TypeError("a Stubborn stays where it is")


class Common(FormatContract):
    """What most of the formats below have in common."""

    def values(self) -> list[Any]:
        return [MAPPING, {}]

    def refused(self) -> list[Any]:
        return [{"a": Stubborn()}]


class TestJson(Common):
    def make(self) -> Any:
        return "json"

    def values(self) -> list[Any]:
        return [MAPPING, [], "ü", {"large": 2**70}]

    def damaged(self) -> list[bytes]:
        return [b"{", b"[1 2]", b"\xff", b'{"a": 1}}', b" "]

    def keywords(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"indent": 2}, {"parse_constant": str}


class ByAnotherLibrary:
    """As a library in C has it: writes through the descriptor, and reads by the name."""

    @staticmethod
    def dump(value: Any, file: Any) -> None:
        os.write(file.fileno(), json.dumps(value, allow_nan=False).encode())

    @staticmethod
    def load(file: Any) -> Any:
        return json.loads(Path(file.name).read_bytes())


class TestByAnotherLibrary(Common):
    def make(self) -> Any:
        return ByAnotherLibrary

    def damaged(self) -> list[bytes]:
        return [b"{", b"[1 2]"]


class TestPickle(Common):
    def make(self) -> Any:
        return "pickle"

    def values(self) -> list[Any]:
        return [MAPPING, None, {1: {2, 3}, (1, 2): b"x"}, MOMENT]

    def damaged(self) -> list[bytes]:
        return [b"\x80\x04", b"no pickle", pickle.dumps(1) + b"\0", b"cno_such_module\nThing\n."]

    def keywords(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"protocol": 5}, {"encoding": "latin-1"}


class TestBson(Common):
    def make(self) -> Any:
        return "bson"

    def values(self) -> list[Any]:
        return [MAPPING, {}, {"when": MOMENT, "raw": b"\0"}]

    def refused(self) -> list[Any]:
        return [None, [], {"a": Stubborn()}]

    def damaged(self) -> list[bytes]:
        return [b"\5\0\0\0", b"\6\0\0\0\0", b"\x0c\0\0\0\x10a\0\1\0\0\0\1"]


class TestYaml(Common):
    notices_cuts = False

    def make(self) -> Any:
        return "yaml"

    def values(self) -> list[Any]:
        return [MAPPING, None, [], {1: b"\0", None: MOMENT}, "no", {"a": "010"}]

    def damaged(self) -> list[bytes]:
        return [b"a: [", b"a: 1\n b: 2\n", b"\t- a", b"a: \xff", b"a: 1\na: 2\n"]

    def keywords(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"width": 10, "explicit_start": True}, {"preserve_quotes": True}


class TestToml(Common):
    notices_cuts = False

    def make(self) -> Any:
        return "toml"

    def values(self) -> list[Any]:
        return [MAPPING, {}, {"when": MOMENT, "day": MOMENT.date()}]

    def refused(self) -> list[Any]:
        return [None, [1], {"a": None}, {1: 2}]

    def damaged(self) -> list[bytes]:
        return [b"a", b"a = [", b"a = 1\na = 2\n", b'a = "\xff"\n']

    def keywords(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"sort_keys": True}, {}


class TestMsgpack(Common):
    def make(self) -> Any:
        return "msgpack"

    def values(self) -> list[Any]:
        return [MAPPING, None, {1: b"\0"}, "ü", 2**64 - 1]

    def refused(self) -> list[Any]:
        return [{1, 2}, 2**64, {"a": Stubborn()}]

    def damaged(self) -> list[bytes]:
        return [b"\x92\1", b"\1\1", b"\xc1", b"\xa1\xff"]

    def keywords(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"use_single_float": True}, {"use_list": True}


class TestCbor(Common):
    def make(self) -> Any:
        return "cbor"

    def values(self) -> list[Any]:
        return [MAPPING, None, {1: b"\0"}, {1, 2}, 2**70, MOMENT]

    def damaged(self) -> list[bytes]:
        return [b"\x82\1", b"\1\1", b"\xff", b"\x61\xff"]

    def keywords(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"canonical": True}, {"str_errors": "strict"}


class TestVerifiedJson(TestJson):
    def make(self) -> Any:
        return Verified("json")

    def refused(self) -> list[Any]:
        return [(1, 2), {1: 2}, {"a": Stubborn()}]


class TestCompressedPickle(TestPickle):
    def make(self) -> Any:
        return Compressed("pickle")

    def damaged(self) -> list[bytes]:
        return [b"no gzip", b"\x1f\x8b"]


class Keyed(Wrapper):
    """A format whose content belongs to a key."""

    def wrap(self, content: bytes) -> bytes:
        return b"mine:" + content

    def unwrap(self, content: bytes) -> bytes:
        if content.startswith(b"theirs:"):
            raise LoadError("of another key", damaged=False)
        if not content.startswith(b"mine:"):
            raise ValueError("no key at all")
        return content.removeprefix(b"mine:")


class TestKeyed(TestJson):
    def make(self) -> Any:
        return Keyed("json")

    def damaged(self) -> list[bytes]:
        return [b"mine:{", b"{}"]

    def foreign(self) -> list[bytes]:
        return [b"theirs:{}"]


class TestSubclass(TestJson):
    """A format that a user wrote in five lines."""

    def make(self) -> Any:
        class Own(AbstractFormatBstr):
            def dumps(self, obj: Any, **kwargs: Any) -> str:
                return json.dumps(obj, **kwargs)

            def loads(self, binary_string: Any, **kwargs: Any) -> Any:
                return json.loads(binary_string, **kwargs)

        return Own()


# --- controls: a format that breaks the contract is caught, by the test that says so ---


def forgetful(content: Any) -> Any:
    """Load what was cut as nothing."""
    return json.loads(content) if content.endswith(b"}") else {}


def changing(value: Any, file: Any) -> None:
    """Write the value, and spoil it."""
    file.write(json.dumps(value))
    if value:
        value.clear()


class Clinging:
    """Write all values that it was ever given."""

    def __init__(self) -> None:
        self.given = ""

    def dumps(self, value: Any) -> str:
        self.given += json.dumps(value)
        return self.given

    def loads(self, content: Any) -> Any:
        return json.JSONDecoder().raw_decode(str(content, "utf-8"))[0]


def swallow(value: Any, file: Any, **kwargs: Any) -> None:
    file.write(json.dumps(value))


class Moody:
    """Write nothing, now and then."""

    def __init__(self) -> None:
        self.calls = 0

    def dumps(self, value: Any) -> str:
        self.calls += 1
        return json.dumps(value) if self.calls % 2 == 0 else ""

    def loads(self, content: Any) -> Any:
        return json.loads(content or b"{}")


def half_way(value: Any, file: Any) -> None:
    file.write(json.dumps({key: str(item) for key, item in value.items()}))


BROKEN = [
    ("test_value_survives_two_program_runs", Files(half_way, json.loads), "after one commit and a load"),
    ("test_value_is_not_changed_by_writing_it", Files(changing, json.loads), "in memory, because dump() has changed it"),
    (
        "test_one_value_leaves_nothing_of_itself_in_the_next",
        Clinging(),
        "if the same store has committed other values before",
    ),
    ("test_empty_file_is_no_value", Moody(), "an empty file should be refused"),
    (
        "test_damaged_file_is_named_and_left_alone",
        Files(swallow, forgetful),
        "the damaged content b'{' is loaded as a value",
    ),
    (
        "test_truncated_file_is_not_taken_for_a_shorter_one",
        Files(swallow, forgetful),
        "or set notices_cuts = False and document it",
    ),
    (
        "test_tail_is_not_passed_over",
        Strings(json.dumps, lambda content: json.loads(content.rstrip(b"\0"))),
        "although 1 zeros follow its",
    ),
    (
        "test_refused_value_leaves_file_and_directory_alone",
        Strings(lambda value: json.dumps(value, default=repr), json.loads),
        "is committed: dump should refuse it",
    ),
    ("test_misspelled_keyword_is_no_silence", Files(swallow, json.loads), "dump takes the keyword no_such_keyword"),
    ("test_keywords_reach_the_format", Files(swallow, json.loads), "should change what is written"),
    (
        "test_content_that_is_sound_elsewhere_is_never_set_aside",
        Files(swallow, json.loads),
        "raise LoadError(..., damaged=False)",
    ),
]


@pytest.mark.parametrize(("test", "format", "told"), BROKEN, ids=[name for name, *_ in BROKEN])
def test_broken_format_does_not_pass(test: str, format: Any, told: str) -> None:
    """Controls: each test of the contract fails for a format that breaks what it states, and says what to do."""

    class Broken(TestJson):
        def make(self) -> Any:
            return format

        def values(self) -> list[Any]:
            return [{**MAPPING}, {}]

        def damaged(self) -> list[bytes]:
            return [b"{"]

        def foreign(self) -> list[bytes]:
            return [b"[1"]

        def keywords(self) -> tuple[dict[str, Any], dict[str, Any]]:
            return {"indent": 1}, {}

    with pytest.raises(AssertionError) as caught:
        getattr(Broken(), test)()
    assert told in str(caught.value)


def test_contract_without_its_methods_says_so() -> None:
    """A subclass that gives no format, values, refusals or damage fails: nothing would be tested."""
    for name in ("make", "values", "refused", "damaged"):
        with pytest.raises(NotImplementedError):
            getattr(FormatContract(), name)()
    with pytest.raises(AssertionError, match="damaged"):

        class NoDamage(TestJson):
            def damaged(self) -> list[bytes]:
                return []

        NoDamage().test_damaged_file_is_named_and_left_alone()
    with pytest.raises(AssertionError, match="refused"):

        class NoRefusal(TestJson):
            def refused(self) -> list[Any]:
                return []

        NoRefusal().test_refused_value_leaves_file_and_directory_alone()
