"""YAML 1.2, by ruamel.yaml: for files that people edit; their comments survive a change of the loaded value.

Cannot hold: objects, Decimal, UUID, a time without a day. Comes back as something else: a tuple as
a list, a loaded mapping, list or set as ruamel.yaml's own (equal to a plain one, and what carries
the comments: change it, do not replace it). A damaged file often loads: of all places where a file may
be cut, two of three leave valid YAML. Where that matters keep the value in JSON, or sign it.
"""

from __future__ import annotations

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError, RoundTripConstructor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

streams = False
objects = False
text = True


def public() -> Any:
    """What `store.format` shows."""
    return "yaml"


def dump(value: Any, file: Any, **kwargs: Any) -> None:
    """Write the value; keywords are attributes of ruamel.yaml.YAML, such as width=100."""
    _yaml(kwargs).dump(value, file)


def load(file: Any, **kwargs: Any) -> Any:
    """Read a value; keywords are attributes of ruamel.yaml.YAML, such as preserve_quotes=True."""
    return _yaml(kwargs).load(file)


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
    """ruamel.yaml's own, with another message for a key that is there twice.

    Its own holds both values in full, and a value of some lines, made of aliases, can be terabytes of text.
    """

    def check_mapping_key(self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any) -> bool:
        """Say whether the key is new, or may be there again."""
        if key in mapping and self.allow_duplicate_keys is False:  # pyright: ignore[reportUnknownMemberType]  # it has no types
            told = f"found the key {key!r} twice" if isinstance(key, str) else "found a key twice"
            raise DuplicateKeyError("while constructing a mapping", node.start_mark, told, key_node.start_mark)
        return super().check_mapping_key(node, key_node, mapping, key, value)  # pyright: ignore[reportUnknownMemberType]
