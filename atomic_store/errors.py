"""Everything the library raises on its own account, one tree with one root; and what it tells a log.

Where there is a standard error that programs already catch, an error is that as well::

    AtomicStoreError
      LoadError (ValueError)             the stored bytes are not what the format expects
        SignatureError                     they are not signed with a key of ours
        VersionError                       they are of a version that this program does not know
      LocationError (ValueError)         this can never name a place
      FormatError (ValueError)           this is no format, or the format broke its contract
        MissingLibraryError (ImportError)  the format is fine, its package is not installed
      ConflictError                      somebody else changed what is stored
      LockError                          the lock cannot be had, or not like this
        LockTimeout (TimeoutError)         somebody else held it for too long
      UncertainCommitError (OSError)     it cannot be known whether the commit lasts
      AccessError (PermissionError)      the service does not let this program at the place

An error of the operating system is not wrapped: it keeps its type and errno and names the path
that the program gave. All of them survive pickling, evidence included.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class AtomicStoreError(Exception):
    """The root: `except AtomicStoreError` catches all that the library itself raises."""


class LoadError(AtomicStoreError, ValueError):
    """The stored bytes are not what the format expects; nothing was changed.

    Attributes:
        path: the place, as the program spelled it.
        format: the label of the format that refused the bytes.
        size: how many bytes are stored there, None where it is not known.
        damaged: whether the format refused the bytes as such. False: they may be sound, and it is the
            program, its types, keys, versions or classes, that they do not suit.
    """

    def __init__(
        self, message: str, path: "Any" = None, format: str | None = None, size: int | None = None, damaged: bool = True
    ) -> None:
        super().__init__(message)
        self.damaged = damaged
        self.path = path
        self.format = format
        self.size = size


class SignatureError(LoadError):
    """The stored bytes carry no signature, or none that a key of ours has made; not one was decoded."""


class VersionError(LoadError):
    """The stored value is of a newer version, or of one so old that no migration begins there."""


class LocationError(AtomicStoreError, ValueError):
    """This can never name a place, whatever the disk holds."""


class FormatError(AtomicStoreError, ValueError):
    """This is no format, or a format that broke its contract (wrote nothing, say)."""


class MissingLibraryError(FormatError, ImportError):
    """The format is known, but the package that implements it cannot be used here."""


class ConflictError(AtomicStoreError):
    """Somebody else changed what is stored since it was read; neither side was touched.

    Attributes:
        path: the place, as the program spelled it.
        expected: the version that this store has read or written last, None: nothing was stored.
        found: the version that is there now, None: nothing is stored.
    """

    def __init__(self, message: str, path: "Any" = None, expected: object = None, found: object = None) -> None:
        super().__init__(message)
        self.path = path
        self.expected = expected
        self.found = found


class LockError(AtomicStoreError):
    """The lock cannot be had at all, or not in this way; nothing was read or written."""


class LockTimeout(LockError, TimeoutError):
    """Somebody else held the lock for longer than `lock=` allows."""


class UncertainCommitError(AtomicStoreError, OSError):
    """The commit is visible but may not last, or it cannot be known whether it took effect.

    Attributes:
        version: the version to expect at the place from now on.
    """

    def __init__(self, *args: "Any", version: object = None) -> None:
        super().__init__(*args)
        self.version = version


class AccessError(AtomicStoreError, PermissionError):
    """The service refuses these credentials, or there are none; whether anything is stored is not known.

    Attributes:
        code: the service's own word for it, such as "AccessDenied".
    """

    def __init__(self, *args: "Any", code: str | None = None) -> None:
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


def complete(error: "LoadError", path: "Any", label: str, size: int | None) -> None:
    """Fill in what the author of a format left out of the LoadError that a load raised."""
    error.size = size  # a format inside a wrapper saw unpacked bytes
    if error.path is None:
        error.path = path
        error.format = error.format or label
        error.args = (_refused(path, label, size, shortened(str(error)), not error.damaged),)


def refusal(error: Exception, told: str, path: "Any", label: str, size: int | None, sound: bool = False) -> "LoadError":
    """Return the LoadError for bytes that a format refuses with `error`."""
    sound = sound or not is_verdict(error)
    return LoadError(_refused(path, label, size, told, sound), path, label, size, damaged=not sound)


def _refused(path: "Any", label: str, size: int | None, told: str, sound: bool) -> str:
    held = "" if size is None else f" ({size} bytes)"
    way_out = "look at the program first" if sound else "restore the file, or delete it to begin with the default"
    return (
        f"{path!r}{held} should hold a value in the format {label}, which refuses it: {told}. Nothing was changed; {way_out}"
    )


_VERDICTS = (ValueError, EOFError, IndexError, KeyError, ArithmeticError, SyntaxError)
_LIMITS = (MemoryError, RecursionError)


def is_verdict(error: BaseException) -> bool:
    """Return whether an exception that a load raised means that the bytes are damaged.

    The built-in kinds above do, and so do exceptions of a library's own, which parsers define for this purpose. All other
    built-in kinds come from the program or from the machine: a wrong keyword, a class that was moved, no memory, a network
    that is down. An OSError is a verdict only as bz2 and gzip raise it: without an errno.
    """
    for each in (error, error.__cause__):
        if isinstance(each, _LIMITS) or (isinstance(each, ValueError) and "set_int_max_str_digits" in describe(each)):
            return False  # a limit of the interpreter: with more memory or more digits the load may succeed
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_verdict, error.exceptions))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    if isinstance(error, OSError):
        return error.errno is None and type(error).__name__ in ("OSError", "BadGzipFile")
    if isinstance(error, UnicodeEncodeError | UnicodeTranslateError):
        return False  # something was written, not read
    kinds = {kind for kind in type(error).__mro__ if kind.__module__ == "builtins"} - {Exception, BaseException, object}
    return not kinds or not kinds.isdisjoint(_VERDICTS)


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
