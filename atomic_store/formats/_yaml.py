"""YAML 1.2, by ruamel.yaml: for files that people edit; their comments survive a change of the loaded value.

Cannot hold: objects, Decimal, UUID, a time without a day. Comes back as something else: a tuple as
a list, a loaded mapping, list or set as ruamel.yaml's own (equal to a plain one, and what carries
the comments: change it, do not replace it). A damaged file often loads: of all places where a file may
be cut, two of three leave valid YAML. Where that matters keep the value in JSON, or sign it.
"""

# What users store is anything: its type is not known here.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

# ruamel.yaml imports base64, dataclasses, inspect and textwrap when it first needs them, for bytes or for a message.
import base64  # noqa: F401  # pyright: ignore[reportUnusedImport]
import dataclasses  # noqa: F401  # pyright: ignore[reportUnusedImport]
import inspect  # noqa: F401  # pyright: ignore[reportUnusedImport]
import io
import sys
import textwrap  # noqa: F401  # pyright: ignore[reportUnusedImport]
from functools import partial
from itertools import chain

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, DuplicateKeyError, RoundTripConstructor
from ruamel.yaml.emitter import RoundTripEmitter

from ..errors import LoadError
from ._plain import to_builtins
from ._read_back import EDITED, require_same
from ._verdict import is_verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

label = "yaml"
streams = False
objects = False
damage = is_verdict
text = True

MOST = 1_000_000  # items that the aliases of a small document may stand for
TEXT = 64  # characters of a text that count as one more item


def public() -> Any:
    """Return the value of `store.format`."""
    return "yaml"


def dump(value: Any, file: Any, **kwargs: Any) -> None:
    """Write the value; keywords are attributes of ruamel.yaml.YAML, such as width=100.

    Raises:
        FormatError: the value would come back as another one, or not at all.
    """
    content = io.BytesIO()
    _yaml(kwargs).dump(value, content)
    written = content.getvalue()
    load_kwargs = file.load_kwargs or {}
    again = partial(_decode, written, load_kwargs)
    require_same(to_builtins(value, lists=True), lambda: to_builtins(again(), lists=True), label, EDITED)
    file.write(written)


def load(file: Any, **kwargs: Any) -> Any:
    """Read a value; keywords are attributes of ruamel.yaml.YAML, such as preserve_quotes=True."""
    content = file.read()
    if not content:
        raise ValueError("the file is empty, and no value is written as an empty file")
    return _decode(content, kwargs)


def _decode(content: Any, options: dict[str, Any]) -> Any:
    return _yaml(options).load(content)


def _yaml(options: dict[str, Any]) -> Any:
    """Make a new YAML(): one that has failed in a dump stays bound to the file of that dump."""
    yaml = YAML()
    yaml.Constructor = Constructor
    yaml.Emitter = Emitter
    for name, value in options.items():
        if not hasattr(yaml, name):
            raise TypeError(f"{name!r} is no attribute of ruamel.yaml.YAML")
        setattr(yaml, name, value)
    return yaml


class Constructor(RoundTripConstructor):
    """ruamel.yaml's own, without some ways in which a file of a few bytes keeps a program busy for years."""

    def construct_document(self, node: Any) -> Any:
        """Return the value of a document, unless it has a key, a date or aliases that take years.

        A mapping in a mapping that is a key itself: ruamel.yaml hashes such a key by all that is inside it,
        and each part of that likewise, several times: each level takes three times as long, and 20 of them
        are 40 bytes. A list or mapping that says to be a date: its message holds all that aliases make of it.
        """
        weights: dict[int, int] = {}  # of each part with all that is inside, aliases written out
        waiting: list[Any] = [node]
        size = 0
        while waiting:
            part = waiting[-1]
            if id(part) in weights and weights[id(part)]:
                waiting.pop()
                continue
            own = 1 + len(part.value) // TEXT if part.id == "scalar" else 1
            inside = _inside(part)
            if id(part) not in weights:
                _require_harmless(part)
                weights[id(part)] = 0  # open: an alias inside it stands for itself
                size += own
                waiting += [each for each in inside if id(each) not in weights]
                continue
            waiting.pop()
            weights[id(part)] = own + sum(weights[id(each)] or 1 for each in inside)
        if weights[id(node)] > max(MOST, 10 * size):
            raise LoadError(f"its aliases stand for more than {max(MOST, 10 * size)} items", damaged=False)
        return super().construct_document(node)

    def check_mapping_key(self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any) -> bool:
        """Return whether the key is new, or may be repeated.

        ruamel.yaml's own message holds both values in full, and one that aliases make of some lines can
        be terabytes of text.
        """
        if key in mapping and self.allow_duplicate_keys is False:  # it has no types
            told = f"found the key {key!r} twice" if isinstance(key, str) else "found a key twice"
            raise DuplicateKeyError("while constructing a mapping", node.start_mark, told, key_node.start_mark)
        return super().check_mapping_key(node, key_node, mapping, key, value)


class Emitter(RoundTripEmitter):
    """ruamel.yaml's own, without some ways in which it writes what it cannot read."""

    def expect_node(self, root: bool = False, *args: Any, **kwargs: Any) -> None:
        """Write a part. Of a list or mapping without items the brackets stay inside the parent, and its comments too.

        ruamel.yaml writes the comments first and then the brackets at the left margin, or the next part on their line.
        """
        event: Any = self.event
        empty = self.check_empty_sequence() or self.check_empty_mapping()
        if root and event.comment:  # before a list in brackets ruamel.yaml looks for the indent of a parent
            self.write_pre_comment(event)
            event.comment = [event.comment[0], None]
        elif empty and event.comment:
            if event.comment[0]:  # the one at the end of the parent's line
                self.events[0].comment = [event.comment[0], None]
            event.flow_style = bool(event.comment[1])  # indents the brackets after comments on lines of their own
            event.comment = [None, event.comment[1]]
        super().expect_node(root, *args, **kwargs)
        if empty:
            self.no_newline = False

    def analyze_scalar(self, scalar: Any) -> Any:
        """Return how a text may be written: one with a NEL (U+0085) in double quotes only, because it is a line break."""
        analysis: Any = super().analyze_scalar(scalar)
        if "\x85" in scalar:
            analysis.multiline = True
            analysis.allow_flow_plain = analysis.allow_block_plain = analysis.allow_single_quoted = analysis.allow_block = (
                False
            )
        return analysis

    def write_plain(self, text: Any, split: Any = True) -> None:
        """Write a text without quotes. A key stays on one line, however long it is: a second line would not be read."""
        width = self.best_width
        if not split:
            self.best_width = sys.maxsize
        super().write_plain(text, split)
        self.best_width = width


def _inside(node: Any) -> list[Any]:
    if node.id == "scalar":
        return []
    return list(chain.from_iterable(node.value)) if node.id == "mapping" else list(node.value)


def _require_harmless(node: Any) -> None:
    if node.id == "scalar":
        return
    if node.tag == "tag:yaml.org,2002:timestamp":
        raise ConstructorError(None, None, f"expected a scalar node, but found {node.id}", node.start_mark)
    if node.id == "mapping":
        for key, _ in node.value:
            if key.id == "mapping" and any(inner.id == "mapping" for inner, _ in key.value):
                told = "found a mapping as a key of a mapping that is a key itself"
                raise ConstructorError("while constructing a mapping", key.start_mark, told, key.start_mark)


_decode(b"<<: {b: [1]}\n? [1]\n: !!set {1}\n", {})  # ruamel.yaml imports some of its own modules at the first load
