"""YAML 1.2, by ruamel.yaml: for files that people edit; their comments survive a change of the loaded value.

Cannot hold: objects, Decimal, UUID, a time without a day. Comes back as something else: a tuple as
a list, a loaded mapping, list or set as ruamel.yaml's own (equal to a plain one, and what carries
the comments: change it, do not replace it). A damaged file often loads: of all places where a file may
be cut, two of three leave valid YAML. Where that matters keep the value in JSON, or sign it.
"""

from __future__ import annotations

from itertools import chain

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, DuplicateKeyError, RoundTripConstructor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

label = "yaml"
streams = False
objects = False
damage = None
text = True


def public() -> Any:
    """What `store.format` shows."""
    return "yaml"


def dump(value: Any, file: Any, **kwargs: Any) -> None:
    """Write the value; keywords are attributes of ruamel.yaml.YAML, such as width=100."""
    _yaml(kwargs).dump(value, file)


def load(file: Any, **kwargs: Any) -> Any:
    """Read a value; keywords are attributes of ruamel.yaml.YAML, such as preserve_quotes=True."""
    content = file.read()
    if not content:
        raise ValueError("the file is empty, and no value is written as an empty file")
    return _yaml(kwargs).load(content)


def _yaml(options: dict[str, Any]) -> Any:
    """Make a new YAML(): one that has failed in a dump stays bound to the file of that dump."""
    yaml = YAML()
    yaml.Constructor = Constructor
    for name, value in options.items():
        if not hasattr(yaml, name):
            raise TypeError(f"{name!r} is no attribute of ruamel.yaml.YAML")
        setattr(yaml, name, value)
    return yaml


class Constructor(RoundTripConstructor):
    """ruamel.yaml's own, without three ways in which a file of some bytes keeps it busy for years."""

    def construct_document(self, node: Any) -> Any:
        """Give the value of a document, unless it has a key or a date that takes years.

        A mapping in a mapping that is a key itself: ruamel.yaml hashes such a key by all that is inside it,
        and each part of that likewise, several times: each level takes three times as long, and 20 of them
        are 40 bytes. A list or mapping that says to be a date: its message holds all that aliases make of it.
        """
        waiting: list[Any] = [node]
        seen: set[int] = set()
        while waiting:
            part = waiting.pop()
            if part.id == "scalar" or id(part) in seen:
                continue
            seen.add(id(part))
            if part.tag == "tag:yaml.org,2002:timestamp":
                raise ConstructorError(None, None, f"expected a scalar node, but found {part.id}", part.start_mark)
            if part.id == "mapping":
                for key, _ in part.value:
                    _require_plain(key)
                waiting += chain.from_iterable(part.value)
            else:
                waiting += part.value
        return super().construct_document(node)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]

    def check_mapping_key(self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any) -> bool:
        """Say whether the key is new, or may be there again.

        ruamel.yaml's own message holds both values in full, and one that aliases make of some lines can
        be terabytes of text.
        """
        if key in mapping and self.allow_duplicate_keys is False:  # pyright: ignore[reportUnknownMemberType]  # it has no types
            told = f"found the key {key!r} twice" if isinstance(key, str) else "found a key twice"
            raise DuplicateKeyError("while constructing a mapping", node.start_mark, told, key_node.start_mark)
        return super().check_mapping_key(node, key_node, mapping, key, value)  # pyright: ignore[reportUnknownMemberType]


def _require_plain(key: Any) -> None:
    if key.id == "mapping" and any(inner.id == "mapping" for inner, _ in key.value):
        told = "found a mapping as a key of a mapping that is a key itself"
        raise ConstructorError("while constructing a mapping", key.start_mark, told, key.start_mark)
