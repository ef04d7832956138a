"""Writers that do it wrong, each in one way, and one that does it right: what a sweep must find, and must not.

They share no line with the library.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from faults import NEW, PLAIN, Kind, Scene

import atomic_store


class Careful:
    """A plain commit that does everything right; each of those below does one thing wrong."""

    os: Any = os  # where the attack comes between
    flaw = ""  # what the sweep has to say

    def __init__(self, path: str) -> None:
        self.path = path
        self.directory = os.path.dirname(path)
        self.temp = os.path.join(self.directory, ".state.0123456789abcdef.tmp")

    def commit(self, data: bytes) -> None:
        try:
            with self.opened(self.temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
                self.os.write(file, data)
                self.sync(file)
            with self.opened(self.directory, os.O_RDONLY) as directory:
                self.os.replace(self.temp, self.path)
                self.sync_directory(directory)
        except OSError as error:
            self.clean_up()
            raise self.told(error) from error

    @contextmanager
    def opened(self, path: str, flags: int) -> Iterator[int]:
        descriptor = self.os.open(path, flags)
        try:
            yield descriptor
        finally:
            self.close(descriptor)

    def close(self, descriptor: int) -> None:
        try:
            self.os.close(descriptor)
        except OSError:
            return

    def sync(self, descriptor: int) -> None:
        self.os.fsync(descriptor)

    def sync_directory(self, descriptor: int) -> None:
        try:
            self.os.fsync(descriptor)
        except OSError as error:
            raise atomic_store.UncertainCommitError(error.errno, error.strerror, self.path) from error

    def clean_up(self) -> None:
        try:
            self.os.unlink(self.temp)
        except FileNotFoundError:
            return

    def told(self, error: OSError) -> Exception:
        error.filename = self.path
        return error


class InPlace(Careful):
    flaw = "neither the old nor the new value"

    def commit(self, data: bytes) -> None:
        try:
            with self.opened(self.path, os.O_WRONLY | os.O_TRUNC) as file:
                self.os.write(file, data)
                self.sync(file)
        except OSError as error:
            raise self.told(error) from error


class Untidy(Careful):
    flaw = "files left behind"

    def clean_up(self) -> None:
        pass


class Leaky(Careful):
    flaw = "descriptors left behind"

    def close(self, descriptor: int) -> None:
        pass


class Hopeful(Careful):
    flaw = "a failed fsync was tried again"

    def sync(self, descriptor: int) -> None:
        try:
            self.os.fsync(descriptor)
        except OSError:
            self.os.fsync(descriptor)


class Deaf(Careful):
    flaw = "a failed fsync passed for success"

    def sync_directory(self, descriptor: int) -> None:
        try:
            self.os.fsync(descriptor)
        except OSError:
            return


class Hasty(Careful):
    flaw = "success, but not durable"

    def sync_directory(self, descriptor: int) -> None:
        pass


class Imprecise(Careful):
    flaw = "the new value is stored after OSError"

    def sync_directory(self, descriptor: int) -> None:
        self.os.fsync(descriptor)


class Silent(Careful):
    flaw = "not the new value is stored after None"

    def commit(self, data: bytes) -> None:
        try:
            super().commit(data)
        except OSError:
            return


class Nameless(Careful):
    flaw = "the error does not name the path"

    def told(self, error: OSError) -> Exception:
        error.filename = self.temp
        return error


class Translator(Careful):
    flaw = "the error is of another type"

    def told(self, error: OSError) -> Exception:
        return RuntimeError(f"{self.path!r} cannot be written: {error}")


class Stubborn(Careful):
    flaw = "the next try fails"

    def clean_up(self) -> None:
        super().clean_up()
        self.temp = os.path.join(self.directory, "no such directory", "temp")


def by(writer: type[Careful]) -> Kind:
    """A replacement by such a writer."""

    def enter(directory: Path) -> Scene:
        one = writer(PLAIN.path(directory))
        return PLAIN.scene(directory, lambda: one.commit(repr(NEW).encode()))

    return Kind(writer.__name__, PLAIN.make, enter)
