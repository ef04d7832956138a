"""The packages that people keep values with, one case for each way to use them; test_ecosystem.py has the tests.

Nothing is imported before a case is used. Which versions are meant stands in pyproject.toml, extra `ecosystem`.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from atomic_store import AbstractFormatBstr, AbstractFormatFile

REFUSED = object()
"""As `empty`: the package refuses an empty file, or reads something that it would not write as one."""


class Stubborn:
    """What not even a pickle can hold."""

    def __reduce__(self) -> str:
        raise TypeError("a Stubborn stays where it is")

    def __getstate__(self) -> object:
        raise TypeError("a Stubborn tells nothing")


@dataclasses.dataclass
class State:
    """A typed value."""

    name: str
    runs: list[int]


def plain() -> Any:
    return {"name": "Zürich 𝄞", "runs": [1, 2, 3], "part": {"ok": True, "text": "a\r\nb", "half": 0.5}}


def state() -> Any:
    return State("Zürich 𝄞", [1, 2, 3])


def half(content: bytes) -> bytes:
    """Damage a file as a full disk does."""
    return content[: len(content) // 2]


def instead(content: bytes) -> Callable[[bytes], bytes]:
    """Give what puts something else in the file's place, where the loader takes half a file for a whole one."""
    return lambda _: content


class Case(NamedTuple):
    """A package in use.

    Args:
        package: its name on PyPI; "" for the standard library.
        format: makes what is given to open() as `format`.
        value: makes a value that it can hold.
        refused: what it cannot write.
        damage: what its loader notices.
        empty: what it reads from an empty file, if that is how it writes it.
        same: compares the value with what came back.
        recovers: whether the same object can dump again after a dump has failed.
        load_kwargs: makes the keywords of open().
        dump_kwargs: likewise.
    """

    package: str
    format: Callable[[], Any]
    value: Callable[[], Any] = plain
    refused: Any = object()
    damage: Callable[[bytes], bytes] = half
    empty: Any = REFUSED
    load_kwargs: Callable[[], dict[str, Any]] = dict
    dump_kwargs: Callable[[], dict[str, Any]] = dict
    same: Callable[[Any, Any], bool] = operator.eq
    recovers: bool = True


def get(name: str) -> Any:
    """Import "module", or "module:something" in it."""
    module, _, attribute = name.partition(":")
    imported = importlib.import_module(module)
    return getattr(imported, attribute) if attribute else imported


def the(name: str) -> Callable[[], Any]:
    """Give what imports it later."""
    return lambda: get(name)


def made(name: str, *args: Any, **kwargs: Any) -> Callable[[], Any]:
    """Give what imports it later, and calls it."""
    return lambda: get(name)(*args, **kwargs)


def pair(dumps: str, loads: str) -> Callable[[], Any]:
    """Give what makes a pair of callables out of two modules later."""
    return lambda: (get(dumps), get(loads))


# --- packages with no dump and load, or the like: a class of one's own, of five lines ---


class Numpy(AbstractFormatFile):
    """An array: numpy.save takes the file first."""

    def dump(self, obj: Any, fp: Any, **kwargs: Any) -> None:
        get("numpy").save(fp, obj, **kwargs)

    def load(self, fp: Any, **kwargs: Any) -> Any:
        return get("numpy").load(fp, **kwargs)


class Parquet(AbstractFormatFile):
    """A pandas.DataFrame; what writes the file is pyarrow."""

    def dump(self, obj: Any, fp: Any, **kwargs: Any) -> None:
        obj.to_parquet(fp, **kwargs)

    def load(self, fp: Any, **kwargs: Any) -> Any:
        return get("pandas").read_parquet(fp, **kwargs)


class Feather(AbstractFormatFile):
    """A pyarrow.Table."""

    def dump(self, obj: Any, fp: Any, **kwargs: Any) -> None:
        get("pyarrow.feather").write_feather(obj, fp, **kwargs)

    def load(self, fp: Any, **kwargs: Any) -> Any:
        return get("pyarrow.feather").read_table(fp, **kwargs)


SCHEMA = {"type": "record", "name": "Run", "fields": [{"name": "name", "type": "string"}, {"name": "n", "type": "int"}]}


class FastAvro(AbstractFormatFile):
    """A list of records, by fastavro."""

    def dump(self, obj: Any, fp: Any, **kwargs: Any) -> None:
        get("fastavro").writer(fp, SCHEMA, obj, **kwargs)

    def load(self, fp: Any, **kwargs: Any) -> Any:
        return list(get("fastavro").reader(fp, **kwargs))


class Avro(AbstractFormatFile):
    """The same by avro, whose close() closes the file that it was given: what was written must outlast that."""

    def dump(self, obj: Any, fp: Any, **kwargs: Any) -> None:
        schema = get("avro.schema").make_avsc_object(SCHEMA)
        with get("avro.datafile").DataFileWriter(fp, get("avro.io").DatumWriter(), schema, **kwargs) as writer:
            for record in obj:
                writer.append(record)

    def load(self, fp: Any, **kwargs: Any) -> Any:
        with get("avro.datafile").DataFileReader(fp, get("avro.io").DatumReader(), **kwargs) as reader:
            return list(reader)


class Encrypted(AbstractFormatBstr):
    """JSON that only who has the key can read, or write."""

    def __init__(self) -> None:
        self.fernet = get("cryptography.fernet").Fernet(b"0" * 43 + b"=")

    def dumps(self, obj: Any, **kwargs: Any) -> bytes:
        return bytes(self.fernet.encrypt(get("json").dumps(obj, **kwargs).encode()))

    def loads(self, binary_string: Any, **kwargs: Any) -> Any:
        return get("json").loads(self.fernet.decrypt(binary_string), **kwargs)


class Csv(AbstractFormatFile):
    """A list of rows."""

    def dump(self, obj: Any, fp: Any, **kwargs: Any) -> None:
        get("csv").writer(fp, **kwargs).writerows(obj)

    def load(self, fp: Any, **kwargs: Any) -> Any:
        return list(get("csv").reader(fp, strict=True, **kwargs))


class Ini(AbstractFormatFile):
    """Sections of options."""

    def dump(self, obj: Any, fp: Any, **kwargs: Any) -> None:
        parser = get("configparser").ConfigParser()
        parser.read_dict(obj)
        parser.write(fp, **kwargs)

    def load(self, fp: Any, **kwargs: Any) -> Any:
        parser = get("configparser").ConfigParser()
        parser.read_file(fp)
        return {name: dict(parser[name]) for name in parser.sections()}


class Fixtures(AbstractFormatFile):
    """Objects of Django's models: text as JSON, bytes as XML."""

    def __init__(self, language: str) -> None:
        django()
        self.language = language

    def dump(self, obj: Any, fp: Any, **kwargs: Any) -> None:
        get("django.core.serializers").serialize(self.language, obj, stream=fp, **kwargs)

    def load(self, fp: Any, **kwargs: Any) -> Any:
        return [found.object for found in get("django.core.serializers").deserialize(self.language, fp, **kwargs)]


def django() -> None:
    """Configure Django, which wants that before anything else."""
    settings = get("django.conf").settings
    if not settings.configured:
        settings.configure(SECRET_KEY="x" * 50, INSTALLED_APPS=["django.contrib.contenttypes"])
        get("django").setup()


def signing() -> Any:
    django()
    return get("django.core.signing")


def content_types() -> Any:
    django()
    model = get("django.contrib.contenttypes.models").ContentType
    return [model(pk=1, app_label="zürich", model="run"), model(pk=2, app_label="bern", model="run")]


def same_fields(one: Any, other: Any) -> bool:
    """Compare all fields: Django's == looks at the key only."""
    return [(item.pk, item.app_label, item.model) for item in one] == [
        (item.pk, item.app_label, item.model) for item in other
    ]


@functools.cache
def model() -> Any:
    """Make a pydantic model."""
    return get("pydantic").create_model("Model", name=str, runs=list[int])


@functools.cache
def thing() -> Any:
    """Make a class of attrs."""
    attrs = get("attrs")
    return attrs.make_class("Thing", {"name": attrs.field(type=str), "runs": attrs.field(type=list[int])})


def keys() -> dict[str, Any]:
    """What jsonpickle warns about where it is not given."""
    return {"keys": True}


def deep() -> Any:
    """Nest lists deeper than anybody can follow: jsonpickle writes null for whatever else it cannot hold."""
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


def rows() -> Any:
    return [["name", "Zürich"], ["text", 'a\r\n"b"']]


def records() -> Any:
    return [{"name": "Zürich", "n": 1}, {"name": "𝄞", "n": 2}]


def flat() -> Any:
    return {"name": "Zürich", "runs": [1, 2, 3], "part": {"ok": True, "half": 0.5}}


def equals(one: Any, other: Any) -> bool:
    """Compare as tables do, whose == has no truth value."""
    return bool(one.equals(other))


BROKEN_YAML = instead(b"name: [1, 2\nruns: {")
BROKEN_TOML = instead(b'name = "Z\nruns = [')

CASES = {
    "json": Case("", the("json")),
    "pickle": Case("", the("pickle"), refused=Stubborn()),
    "marshal": Case("", the("marshal")),
    "plistlib": Case("", the("plistlib"), flat, refused={"a": None}),
    "csv": Case("", Csv, rows, damage=instead(b'a,"b'), refused=1, empty=[]),
    "configparser": Case("", Ini, lambda: {"a": {"name": "Zürich"}}, damage=instead(b"no section"), refused=1, empty={}),
    "simplejson": Case("simplejson", the("simplejson")),
    "ujson": Case("ujson", the("ujson")),
    "rapidjson": Case("python-rapidjson", the("rapidjson")),
    "orjson": Case("orjson", the("orjson")),
    "msgspec.json": Case("msgspec", the("msgspec.json")),
    "msgspec.json, typed": Case("msgspec", the("msgspec.json"), state, load_kwargs=lambda: {"type": State}),
    "msgspec.msgpack": Case("msgspec", the("msgspec.msgpack")),
    "msgspec.yaml": Case("msgspec", the("msgspec.yaml"), damage=BROKEN_YAML),
    "msgspec.toml": Case("msgspec", the("msgspec.toml"), damage=BROKEN_TOML, empty={}),
    "jsonpickle": Case("jsonpickle", the("jsonpickle"), refused=deep(), dump_kwargs=keys, load_kwargs=keys),
    "json5": Case("json5", the("json5"), dump_kwargs=lambda: {"ensure_ascii": False}),
    "pyjson5": Case("pyjson5", the("pyjson5")),
    "hjson": Case("hjson", the("hjson"), flat),
    "demjson3": Case("demjson3", the("demjson3")),
    "yaml": Case("PyYAML", the("yaml"), damage=BROKEN_YAML),
    "oyaml": Case("oyaml", the("oyaml"), damage=BROKEN_YAML),
    "ruamel.yaml, safe": Case("ruamel.yaml", made("ruamel.yaml:YAML", typ="safe"), damage=BROKEN_YAML, recovers=False),
    "ruamel.yaml, round trip": Case("ruamel.yaml", made("ruamel.yaml:YAML"), damage=BROKEN_YAML, recovers=False),
    "toml": Case("toml", the("toml"), flat, damage=BROKEN_TOML, empty={}),
    "tomlkit": Case("tomlkit", the("tomlkit"), damage=BROKEN_TOML, empty={}),
    "tomli_w and tomllib": Case("tomli_w", pair("tomli_w:dumps", "tomllib:loads"), damage=BROKEN_TOML, empty={}),
    "tomli_w and tomli": Case("tomli", pair("tomli_w:dumps", "tomli:loads"), damage=BROKEN_TOML, empty={}),
    "msgpack": Case("msgpack", the("msgpack")),
    "ormsgpack": Case("ormsgpack", the("ormsgpack")),
    "umsgpack": Case("u-msgpack-python", the("umsgpack")),
    "cbor2": Case("cbor2", the("cbor2")),
    "cbor": Case("cbor", the("cbor")),  # if its load() were called, half a file would hang here
    "ubjson": Case("py-ubjson", the("ubjson")),
    "bson": Case("pymongo", the("bson"), refused={1: 2}),
    "bson.json_util": Case("pymongo", the("bson.json_util")),
    "dill": Case("dill", the("dill"), refused=Stubborn()),
    "cloudpickle": Case("cloudpickle", the("cloudpickle"), refused=Stubborn()),
    "joblib": Case("joblib", the("joblib"), refused=Stubborn()),
    "joblib, compressed": Case("joblib", the("joblib"), refused=Stubborn(), dump_kwargs=lambda: {"compress": 3}),
    "itsdangerous": Case("itsdangerous", made("itsdangerous:Serializer", "key")),
    "itsdangerous, for URLs": Case("itsdangerous", made("itsdangerous:URLSafeSerializer", "key")),
    "django.core.signing": Case("Django", signing),
    "django.core.serializers, json": Case("Django", lambda: Fixtures("json"), content_types, same=same_fields, refused=[1]),
    "django.core.serializers, xml": Case("Django", lambda: Fixtures("xml"), content_types, same=same_fields, refused=[1]),
    "cryptography": Case("cryptography", Encrypted),
    "pydantic, adapter": Case("pydantic", made("pydantic:TypeAdapter", State), state),
    "pydantic, model": Case("pydantic", model, lambda: model()(name="Zürich", runs=[1, 2])),
    "cattrs": Case("cattrs", made("cattrs.preconf.json:make_converter"), state, load_kwargs=lambda: {"cl": State}),
    "attrs": Case("attrs", the("msgspec.json"), lambda: thing()("Zürich", [1]), load_kwargs=lambda: {"type": thing()}),
    "numpy": Case("numpy", Numpy, lambda: get("numpy").arange(12.0), Stubborn(), same=lambda a, b: bool((a == b).all())),
    "pandas": Case("pandas", Parquet, lambda: get("pandas").DataFrame(records()), same=equals, refused=1),
    "pyarrow": Case("pyarrow", Feather, lambda: get("pyarrow").Table.from_pylist(records()), same=equals, refused=1),
    "fastavro": Case("fastavro", FastAvro, records, refused=[{"name": 1}]),
    "avro": Case("avro", Avro, records, refused=[{"name": 1}]),
    "xmltodict": Case("xmltodict", pair("xmltodict:unparse", "xmltodict:parse"), lambda: {"root": {"a": "Zürich"}}),
    "amazon.ion": Case("amazon.ion", the("amazon.ion.simpleion")),
}
