"""Whether what a parser has raised is about the bytes. JSON has a rule of its own."""

from __future__ import annotations

from ..errors import describe

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
