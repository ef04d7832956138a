"""All errors that the library raises itself, as one tree, and its log messages.

An error is also the standard error that programs already catch, where there is one::

    AtomicStoreError
      LoadError (ValueError)             the format refuses the stored bytes
        SignatureError                     they are not signed with this key
        VersionError                       they have a version that this program does not know
      LocationError (ValueError)         this cannot name a location
      FormatError (ValueError)           this is not a format, or the format broke its contract
        MissingLibraryError (ImportError)  the package for the format is not installed
      ConflictError                      another writer has changed what is stored
      LockError                          the lock cannot be taken, or not like this
        LockTimeout (TimeoutError)         another process or thread held it for too long
      UncertainCommitError (OSError)     it is unknown whether the commit lasts
      AccessError (PermissionError)      the service denies access

Errors of the operating system are not wrapped: they keep their type and errno, and name the path
that the program gave. All errors can be pickled with their attributes.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
else:
    Any = object  # for typing.get_type_hints(); typing itself costs more than the rest of the start-up, here and below


class AtomicStoreError(Exception):
    """Base class of all errors that the library itself raises."""


class LoadError(AtomicStoreError, ValueError):
    """The format refuses the stored bytes. The file was not changed.

    Attributes:
        path: the location, as the program gave it.
        format: the label of the format that refused the bytes.
        size: the number of stored bytes, or None if it is unknown.
        damaged: True if the bytes are damaged. False if they may be sound but do not suit this program: its
            types, keys, versions or classes.
    """

    def __init__(
        self, message: str, path: "Any" = None, format: "str | None" = None, size: "int | None" = None, damaged: bool = True
    ) -> None:
        super().__init__(message)
        self.damaged = damaged
        self.path = path
        self.format = format
        self.size = size


class SignatureError(LoadError):
    """The signature of the stored bytes is missing or was made with another key. No byte was decoded."""


class VersionError(LoadError):
    """The stored value has a newer version than the program, or one older than the first migration."""


class LocationError(AtomicStoreError, ValueError):
    """The path or URL cannot name a location, whatever is on the disk."""


class FormatError(AtomicStoreError, ValueError):
    """This is not a format, or the format broke its contract, for example by writing nothing."""


class MissingLibraryError(FormatError, ImportError):
    """The package that implements the format is not installed, or cannot be imported."""

    def __str__(self) -> str:
        # Of `args`, as of all others: ImportError shows a second copy of the text.
        return Exception.__str__(self)


class ConflictError(AtomicStoreError):
    """Another writer has changed what is stored since it was read. Neither the file nor the value was changed.

    Attributes:
        path: the location, as the program gave it.
        expected: the version that this store has last read or written, or None if nothing was stored.
        found: the version that is stored now, or None if nothing is stored.
    """

    def __init__(self, message: str, path: "Any" = None, expected: object = None, found: object = None) -> None:
        super().__init__(message)
        self.path = path
        self.expected = expected
        self.found = found


class LockError(AtomicStoreError):
    """The lock cannot be taken here, or not in this way. Nothing was read or written."""


class LockTimeout(LockError, TimeoutError):
    """Another process or thread held the lock for longer than `lock=` allows."""


class UncertainCommitError(AtomicStoreError, OSError):
    """The new value is visible but may not survive a power cut, or it is unknown whether the commit took effect.

    Attributes:
        version: the version to expect at the location from now on.
    """

    def __init__(self, *args: "Any", version: object = None) -> None:
        super().__init__(*args)
        self.version = version


class AccessError(AtomicStoreError, PermissionError):
    """The service refuses the credentials, or there are none. It is unknown whether anything is stored.

    Attributes:
        code: the error code of the service, such as "AccessDenied".
    """

    def __init__(self, *args: "Any", code: "str | None" = None) -> None:
        super().__init__(*args)
        self.code = code


LONGEST = 1000  # characters of what others say: some parsers put the whole content into their message


def describe(error: BaseException) -> str:
    """Return type and text of an exception, a long text cut; the text itself may raise (plistlib's can)."""
    try:
        text = shortened(str(error))
    except Exception:  # noqa: BLE001 - a format is anybody's code
        text = "(its message cannot be shown)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def shortened(text: str) -> str:
    """Return a text, or its beginning if it is too long for a message."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def complete(error: "LoadError", path: "Any", label: str, size: "int | None") -> None:
    """Fill in what the author of a format left out of the LoadError that a load raised."""
    error.size = size  # a format inside a wrapper saw unpacked bytes
    if error.path is None:
        error.path = path
        error.format = error.format or label
        error.args = (_refused(path, label, size, shortened(str(error)), not error.damaged),)


def refusal(told: str, path: "Any", label: str, size: "int | None", sound: bool) -> "LoadError":
    """Return the LoadError for bytes that a format refuses; `sound`: they may be undamaged all the same."""
    return LoadError(_refused(path, label, size, told, sound), path, label, size, damaged=not sound)


def _refused(path: "Any", label: str, size: "int | None", told: str, sound: bool) -> str:
    held = "" if size is None else f" ({size} bytes)"
    way_out = "look at the program first" if sound else "restore the file, or delete it to begin with the default"
    return (
        f"{path!r}{held} should hold a value in the format {label}, which refuses it: {told}. Nothing was changed; {way_out}"
    )


_logger: "Any" = None


def logger(level: int) -> "Any":
    """Return the logger "atomic_store" if the program listens at this level, else None.

    It says DEBUG for the steps of a store, WARNING for what a person should know. logging is never imported here: it costs
    11 ms, and a program that has not loaded it cannot listen.
    """
    global _logger
    if _logger is None:
        get = getattr(sys.modules.get("logging"), "getLogger", None)
        # Once: before Python 3.13 a Ctrl-C in the middle of getLogger() leaves a lock taken that every thread wants.
        _logger = None if get is None else get("atomic_store")
    # Without a handler anywhere Python would print warnings to stderr (logging, "lastResort").
    return _logger if _logger is not None and _logger.isEnabledFor(level) and _logger.hasHandlers() else None


def log(level: int, message: str, *args: object) -> None:
    """Log what a person should know, if the program listens."""
    found = logger(level)
    if found is not None:
        found.log(level, message, *args)
