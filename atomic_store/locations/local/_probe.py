"""What can be found out about the place of a local file: by trying, and by the type of its file system.

All is tried in a scratch directory beside the file, `.NAME.<16 hex digits>.check`, which is removed again:
so it is the same file system, and the same rights to write there. Where two processes are needed, there
are two.
"""

import errno
import os
import re
import select
import shutil
import stat
import subprocess
import sys

from ...errors import AtomicStoreError, LockTimeout
from .. import name_path
from .._finding import Finding
from ._tempfile import hidden, missing_directory, split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from . import LocalFile

PATIENCE = 30  # seconds; a second process that is silent for longer is given up
ROUNDS = 300  # renames under the eyes of a reader
OLD, NEW = b"o" * 70_000, b"n" * 50_000
_NOT_SUPPORTED = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)

# A reader that never waits; it ends with its stdin, and says what it saw besides the old and the new value.
READER = """
import os, select, sys
seen = set()
os.write(1, b"reading\\n")
while not select.select([0], [], [], 0)[0]:
    try:
        with open(sys.argv[1], "rb", buffering=0) as file:
            content = b"".join(iter(lambda: file.read(4096), b""))
        seen.add("" if content in (b"o" * 70_000, b"n" * 50_000) else "a part of a value")
    except FileNotFoundError:
        seen.add("no file at all")
    except OSError as error:
        seen.add("an error: " + str(error))
os.write(1, (", ".join(sorted(seen - {""})) or "whole").encode() + b"\\n")
"""

# Somebody who wants the lock, and keeps it to its end.
LOCKER = """
import fcntl, os, sys
descriptor = os.open(sys.argv[1], os.O_RDWR)
try:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError as error:
    os.write(1, b"refused\\n")
else:
    os.write(1, b"locked\\n")
os.read(0, 1)
"""


def probe(place: "LocalFile", real: str) -> list[Finding]:
    """Find out which promises the place of the file `real` keeps."""
    scratch = Scratch(place, real)
    try:
        findings = scratch.findings(place)
    except BaseException as error:
        left = scratch.remove()
        if left:
            error.add_note(left)
        raise
    left = scratch.remove()
    if left:
        findings[0] = Finding(findings[0].promise, False, left)
    return findings


class Scratch:
    """A directory beside the file, in which things are tried."""

    def __init__(self, place: "LocalFile", real: str) -> None:
        self._real = real
        self._directory = hidden(real, f".{os.urandom(8).hex()}.check")  # chosen first: whatever comes, it is removed
        self._file = os.path.join(self._directory, "value")
        self._place = type(place)(self._file)

    def findings(self, place: "LocalFile") -> list[Finding]:
        """Try one promise after the other."""
        found = [Finding("access", *self._access(place))]
        tries = {
            "rename": self.rename,
            "create": self.create,
            "directory_sync": self.directory_sync,
            "locks": self.locks,
            "mode": self.mode,
            "attributes": self.attributes,
        }
        for promise, trial in tries.items():
            if not found[0].kept:
                found.append(Finding(promise, False, "not tried, for lack of access"))
                continue
            try:
                found.append(Finding(promise, *trial()))
            except (OSError, AtomicStoreError) as error:
                found.append(Finding(promise, False, str(error)))
        found.append(Finding("file_system", *file_system(self._real)))
        return found

    def remove(self) -> str:
        """Remove it; give what to say if that fails, else ""."""
        try:
            shutil.rmtree(self._directory)
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"the scratch directory {self._directory!r} could not be removed: {error}"
        return ""

    def _access(self, place: "LocalFile") -> tuple[bool, str]:
        try:
            stored = place.read()
            if stored is not None:
                stored.close()
            try:
                os.mkdir(self._directory, 0o700)
            except FileNotFoundError as error:
                raise missing_directory(error, split(self._real)[0], place.path) from error
            self._write(OLD)
        except OSError as error:
            name_path(error, place.path)  # the scratch directory is nothing that the user knows
            return False, str(error)
        seen = "nothing is stored yet" if stored is None else "what is stored can be read"
        return True, f"{seen}, and the directory can be written to"

    def _write(self, data: bytes) -> None:
        with self._place.replace() as file:
            file.write(data)

    def rename(self) -> tuple[bool, str]:
        mount = find_mount(self._real)
        if mount is not None and mount.point == self._real:
            return False, "the file is mounted by itself and cannot be replaced: mount its directory instead"
        temp = os.path.join(self._directory, "temp")
        with open(self._file, "rb") as before, Second(READER, self._file) as reader:
            reader.hear()
            for turn in range(ROUNDS):
                with open(temp, "xb") as file:
                    file.write(OLD if turn % 2 else NEW)
                os.replace(temp, self._file)
            reader.let_end()
            seen = reader.hear()
            kept = before.read() == OLD
        if seen != "whole":
            return False, f"while files were renamed over each other, a reader saw {seen}"
        if not kept:
            return False, "whoever had the old value open when it was replaced cannot read it to its end"
        return True, f"{ROUNDS} times over an existing file, and a reader in another process saw whole values only"

    def create(self) -> tuple[bool, str]:
        other = os.path.join(self._directory, "other")
        try:
            os.link(self._file, other)
        except (AttributeError, OSError) as error:  # Android's Python has no os.link()
            return False, (
                f"no hard links ({error}): creating only what is absent is exact among those who use "
                "this library, and nobody else"
            )
        try:
            os.link(self._file, other)
        except FileExistsError:
            return True, "what has appeared in the last instant is left alone"
        return False, "what has appeared in the last instant is overwritten"

    def directory_sync(self) -> tuple[bool, str]:
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED:
                raise
            return (
                False,
                f"directories cannot be synced ({error.strerror}): whether a new name lasts is up to the file system",
            )
        finally:
            os.close(descriptor)
        return True, "the new name is synced with its directory"

    def locks(self) -> tuple[bool, str]:
        self._place.lock().release()  # makes the sidecar
        sidecar = hidden(self._file, ".lock")
        with Second(LOCKER, sidecar) as other:
            if other.hear() != "locked":
                return False, "another process cannot take a lock that is free"
            try:
                self._place.lock(0).release()
            except LockTimeout:
                pass
            else:
                return False, "a lock that another process holds was given to this one as well"
        ours = self._place.lock(0)
        try:
            with Second(LOCKER, sidecar) as other:
                if other.hear() != "refused":
                    return False, "a lock that this process holds was given to another one as well"
        finally:
            ours.release()
        return True, "two processes keep each other out, and one that is killed frees its lock (on this machine)"

    def mode(self) -> tuple[bool, str]:
        try:
            os.chmod(self._file, 0o640)
        except PermissionError:
            pass  # there are file systems on which all files have one mode
        before = os.stat(self._file)
        self._write(NEW)
        after = os.stat(self._file)
        kept = (before.st_mode, before.st_uid, before.st_gid) == (after.st_mode, after.st_uid, after.st_gid)
        return kept, f"{_look(before)} before a commit, {_look(after)} after it"

    def attributes(self) -> tuple[bool, str]:
        name, mark = "user.atomic_store.check", b"kept"
        try:
            os.setxattr(self._file, name, mark)
        except OSError as error:
            if error.errno not in _NOT_SUPPORTED:
                raise
            return True, f"there are none to lose: files here have no attributes of users ({error.strerror})"
        self._write(OLD)
        if name not in os.listxattr(self._file) or os.getxattr(self._file, name) != mark:
            return False, "an extended attribute of a user was lost in a commit"
        return True, "an extended attribute of a user is the same after a commit"


class Second:
    """Another process: a Python that runs a few lines, and nothing of this library."""

    def __init__(self, source: str, *arguments: str) -> None:
        # A frozen program would start itself once more.
        if not sys.executable or getattr(sys, "frozen", False):
            raise OSError(errno.ENOENT, "cannot be found out: there is no Python to start a second process with")
        self._command = [sys.executable, "-I", "-S", "-c", source, *arguments]

    def __enter__(self) -> "Self":
        self.process = subprocess.Popen(  # noqa: S603 - our own lines, by the Python that is running
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
        assert self.process.stdin and self.process.stdout  # noqa: PT018, S101 - for the type checkers
        self._in, self._out = self.process.stdin, self.process.stdout
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None") -> None:
        self.process.kill()
        self._in.close()
        self._out.close()
        self.process.wait()

    def hear(self) -> str:
        """Wait for the next line that it says."""
        said = self._out.readline() if select.select([self._out], [], [], PATIENCE)[0] else b""
        if not said:
            raise OSError(errno.ECHILD, "cannot be found out: the second process has ended, or hangs")
        return os.fsdecode(said.strip())

    def let_end(self) -> None:
        """Ask it to come to an end."""
        self._in.close()


class Mount:
    """One line of /proc/self/mountinfo: where what is mounted, and how (proc(5))."""

    __slots__ = ("kind", "options", "point")

    def __init__(self, line: str) -> None:
        left, _, right = line.rstrip("\n").partition(" - ")
        fields = left.split(" ")
        self.point = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[4])
        self.kind, _, more = right.partition(" ")
        self.options = {*fields[5].split(","), *more.rpartition(" ")[2].split(",")}


def find_mount(path: str) -> "Mount | None":
    """Find the mount that `path` is in, or is; None where the system does not tell."""
    path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    best: Mount | None = None
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
            for mount in map(Mount, lines):
                within = path == mount.point or path.startswith(mount.point.rstrip("/") + "/")
                # The last of equals: it is mounted over the others.
                if within and (best is None or len(mount.point) >= len(best.point)):
                    best = mount
    except FileNotFoundError:
        return None
    return best


_LOCAL = (True, "a local file system with a journal or copies on write: what was synced lasts, if the disk obeys")
_MEMORY = (False, "it is memory: nothing outlasts a restart of the machine")
_NETWORK = (False, "a network file system makes its own rules for rename, sync and locks, and none was tested")
_SIMPLE = (False, "it has no journal: a power cut in the middle of a rename can lose both the old and the new value")
_PROGRAM = (False, "a FUSE file system is what its program makes of it: ask its manual about fsync and rename")

FILE_SYSTEMS = {
    "ext4": _LOCAL,
    "xfs": _LOCAL,
    "btrfs": _LOCAL,
    "overlay": (True, "it is as durable as the file system below that holds its upper directory"),
    "tmpfs": _MEMORY,
    "ramfs": _MEMORY,
    "nfs": _NETWORK,
    "nfs4": _NETWORK,
    "cifs": _NETWORK,
    "smb3": _NETWORK,
    "9p": _NETWORK,
    "ceph": _NETWORK,
    "virtiofs": _NETWORK,
    "fuse": _PROGRAM,
    "fuseblk": _PROGRAM,
    "ext2": _SIMPLE,
    "vfat": _SIMPLE,
    "exfat": _SIMPLE,
}
"""What docs/guarantees.md says of each type, and whether that is a promise."""

_UNSAFE = {
    "volatile": "syncs do nothing",
    "fsync=volatile": "syncs do nothing",
    "nobarrier": "the disk is not told to write down what it has acknowledged",
    "barrier=0": "the disk is not told to write down what it has acknowledged",
}


def file_system(real: str) -> tuple[bool, str]:
    """Return what is known of the file system that `real` is on."""
    mount = find_mount(os.path.dirname(real))
    if mount is None:
        return False, "its type cannot be found out on this system"
    where = f"{mount.kind}, mounted on {mount.point!r}"
    for option in sorted(_UNSAFE.keys() & mount.options):
        return False, f"{where} with the option {option}: {_UNSAFE[option]}"
    upper = _upper(mount)
    if upper is not None:
        kept, said = file_system(os.path.join(upper, os.path.basename(real)))
        return kept, f"{where}: what is written there goes to {said}"
    kept, said = FILE_SYSTEMS.get(mount.kind.partition(".")[0], (False, "nothing was tested on it, and nothing is promised"))
    return kept, f"{where}: {said}"


def _upper(mount: "Mount") -> str | None:
    """Return the upper directory of an overlay, unless it is out of sight: in a container, that path is another one's."""
    found = [option.partition("=")[2] for option in mount.options if option.startswith("upperdir=")]
    if not found or not os.path.isdir(found[0]):
        return None
    below = find_mount(os.path.join(found[0], "any"))
    return None if below is None or below.point == mount.point else found[0]


def _look(status: os.stat_result) -> str:
    return f"{stat.filemode(status.st_mode)} {status.st_uid}:{status.st_gid}"
