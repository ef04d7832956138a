"""The disk that remembers, as a block device: disk.c in the middle, a loop device on top, a file in memory below."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import select
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from .file_systems import FileSystem
from .kernel import mount, unmount
from .recording import Record, Write, parse

SOURCE = Path(__file__).with_name("disk.c")
_STARTS_IN = 30  # seconds

# <linux/loop.h>: `struct loop_config` is a descriptor, a block size, and a `struct loop_info64` whose flags are at byte 52.
_LOOP_CTL_GET_FREE, _LOOP_CONFIGURE = 0x4C82, 0x4C0A
_LO_FLAGS_AUTOCLEAR = 4
_LOOP_CONFIG = struct.Struct("=II52xI176x64x")


def build(directory: Path) -> Path:
    """Compile disk.c into the directory, and give the program.

    Raises:
        subprocess.CalledProcessError: there is no compiler or no libfuse 3; their complaint is on stderr.
    """
    program = directory / "disk"
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "fuse3"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", str(SOURCE), "-o", str(program), *flags.split()]
    subprocess.run(command, check=True)
    return program


class Disk:
    """A block device with a file system on it that was just made; a context.

    Everything it needs is given back at the end. If the process dies before, and was in a namespace of its own (see
    kernel.enter_private_namespace), the kernel does that.

    Attributes:
        device: its path.
        control: the path of the file that takes the commands of disk.c, for other processes.
        point: an empty directory, to mount it on.
    """

    def __init__(self, program: Path, file_system: FileSystem) -> None:
        self._program = program
        self._file_system = file_system
        self._changed: list[tuple[int, int]] = []  # offset and length of what was put

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="atomic_store-disk-")))
            # Memory of our own: in a private namespace it ends with us, whatever we die of.
            mount("atomic_store_attack", str(home), "tmpfs", "mode=0700")
            stack.callback(unmount, str(home))
            self._image = home / "image"
            with self._image.open("xb") as file:
                file.truncate(self._file_system.size)
            self._file_system.make_on(self._image)
            self.log = home / "log"
            self.point = home / "mounted"
            self.point.mkdir()
            shown = home / "shown"
            shown.mkdir()
            self._serve(stack, shown)
            self.control = shown / "control"
            self._commands = stack.enter_context(self.control.open("wb", buffering=0))
            self._attach(stack, shown / "disk")
            self._live = stack.enter_context(_mapped(self._image))
            self.save(home / "kept")
            self._kept = stack.enter_context(_mapped(home / "kept"))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _serve(self, stack: contextlib.ExitStack, shown: Path) -> None:
        command = [self._program, self._image, self.log, shown]
        server = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
        stack.callback(server.kill)
        assert server.stdout is not None
        if not select.select([server.stdout], [], [], _STARTS_IN)[0] or server.stdout.readline() != b"ready\n":
            raise RuntimeError(f"{self._program} should mount itself on {shown}, and did not within {_STARTS_IN} s")
        stack.callback(unmount, str(shown))

    def _attach(self, stack: contextlib.ExitStack, backing: Path) -> None:
        below = os.open(backing, os.O_RDWR)
        try:
            while True:
                with open("/dev/loop-control", "rb") as loops:
                    self.device = f"/dev/loop{fcntl.ioctl(loops, _LOOP_CTL_GET_FREE)}"
                loop = os.open(self.device, os.O_RDWR)
                try:
                    fcntl.ioctl(loop, _LOOP_CONFIGURE, _LOOP_CONFIG.pack(below, 0, _LO_FLAGS_AUTOCLEAR))
                except OSError as error:
                    os.close(loop)
                    if error.errno != errno.EBUSY:  # somebody else was faster
                        raise
                else:
                    stack.callback(os.close, loop)  # which takes it down as well
                    return
        finally:
            os.close(below)

    def save(self, path: Path) -> None:
        """Copy what is there now to a file, which can be mounted."""
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "--sparse=always", str(self._image), str(path)], check=True)

    def mark(self, text: str) -> None:
        """Put a mark into the log."""
        self._commands.write(b"M" + text.encode())

    def fail(self, number: int, for_good: bool) -> None:
        """Let the write or flush with this number, 1 being the next, fail with EIO; for good: all after it, too."""
        self._commands.write(f"{'D' if for_good else 'A'}{number}".encode())

    def heal(self) -> None:
        """Let nothing fail any more."""
        self._commands.write(b"N")

    def records(self) -> Iterator[Record]:
        """Give what was logged."""
        return parse(self.log.read_bytes())

    def put(self, pieces: Iterable[Write], for_good: bool = False) -> None:
        """Write past the log; for good: so that reset() goes back to what is there then."""
        for offset, data in pieces:
            self._live[offset : offset + len(data)] = data
            if for_good:
                self._kept[offset : offset + len(data)] = data
            else:
                self._changed.append((offset, len(data)))

    def keep(self) -> None:
        """Make what is there now the state that reset() goes back to; the log begins anew."""
        self._settle(self._live, self._kept)

    def reset(self) -> None:
        """Go back to the state that was kept, whatever was put or written since; the log begins anew."""
        self._settle(self._kept, self._live)

    def _settle(self, source: mmap.mmap, target: mmap.mmap) -> None:
        written = ((record.offset, len(record.data)) for record in self.records() if isinstance(record, Write))
        for offset, length in (*self._changed, *written):
            target[offset : offset + length] = source[offset : offset + length]
        self._changed.clear()
        self._commands.write(b"R")


def _mapped(path: Path) -> mmap.mmap:
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), 0)
