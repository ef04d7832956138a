"""Paths that may be URLs: which kind of location each of them names."""

from __future__ import annotations

from ..errors import LocationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def scheme_of_odd(path: Any) -> str:
    """Return "s3" for a URL of S3, else "local": for bytes, path objects, and any other str with "://" inside.

    Raises:
        LocationError: it is another URL, or an object that means one.
    """
    if isinstance(path, str):
        scheme, separator, _ = path.partition("://")
        if separator and _is_scheme(scheme):
            if scheme.lower() != "s3":
                raise LocationError(
                    f"path should be a file's path or a URL that begins with s3://, not {path!r}; "
                    f"for a local file of this name, write {'./' + path!r}"
                )
            return "s3"
    elif not isinstance(path, bytes):
        _refuse_url(path)
    return "local"


def _refuse_url(path: Any) -> None:
    """Refuse a path object that means a URL: what os.fspath() makes of it is a local path, or a download.

    These are cloudpathlib's, s3path's and universal_pathlib's objects, and pathlib.Path("s3://bucket/key").
    """
    text = str(path)
    scheme, separator, rest = text.partition(":/")
    if type(path).__module__.partition(".")[0] == "pathlib":
        if separator and scheme.lower() == "s3":  # pathlib makes one slash of the two
            raise LocationError(
                f"path should be the str {f'{scheme}://{rest}'!r}: a {type(path).__name__} is a local file's path"
            )
        return
    try:
        uri = path.as_uri()
    except (AttributeError, TypeError, ValueError):  # it has none, or is relative
        uri = ""
    for url, spelling in ((text, "str(path)"), (uri, "path.as_uri()")):
        scheme, separator, _ = url.partition("://") if isinstance(url, str) else ("", "", "")
        if separator and _is_scheme(scheme) and scheme.lower() not in ("file", "local"):
            raise LocationError(f"path should be a str for {url!r}, not a {type(path).__name__}: give {spelling}")


def _is_scheme(word: str) -> bool:
    """Return whether this could be the scheme of a URL (RFC 3986, 3.1)."""
    return word.isascii() and word[:1].isalpha() and word.translate({43: None, 45: None, 46: None}).isalnum()
