"""The contract of atomic_store, kept by the format "jsonl"."""

from __future__ import annotations

from typing import Any

from atomic_store.testing import FormatContract


class TestJsonLines(FormatContract):
    """A list of records comes back; what is cut behind a line does so shorter, as the documentation says."""

    notices_cuts = False

    def make(self) -> Any:
        """The name, as users write it: the package must be installed."""
        return "jsonl"

    def values(self) -> list[Any]:
        """Lists, of whatever JSON holds."""
        return [[{"station": "Zürich", "degrees": 21.5}, {"runs": [1, 2], "text": "a\r\nb"}], [None], []]

    def refused(self) -> list[Any]:
        """What is no list, and what JSON cannot hold."""
        return [{"a": 1}, [{1, 2}], None]

    def damaged(self) -> list[bytes]:
        """A line that is no JSON, one without an end, bytes that are no text."""
        return [b"{\n", b"{}", b"{}\n[", b'"\xff"\n', b"{}\n\n"]

    def keywords(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Those of the json module."""
        return {"ensure_ascii": False}, {"parse_float": float}
