"""System calls that Python 3.11 has no function for: mount, umount, unshare, syncfs, prctl."""

from __future__ import annotations

import ctypes
import os

_CLONE_NEWNS = 0x00020000
_MS_REC, _MS_PRIVATE = 0x4000, 1 << 18
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def mount(device: str, point: str, kind: str, options: str) -> None:
    """Attach the file system of a device to a directory."""
    words = (device.encode(), point.encode(), kind.encode(), ctypes.c_ulong(0), options.encode())
    _check(_libc.mount(*words), device)


def unmount(point: str) -> None:
    """Detach what was attached there last."""
    _check(_libc.umount2(point.encode(), 0), point)


def enter_private_namespace() -> None:
    """Keep all further mounts of this process and its children to themselves: they end with the last of these."""
    _check(_libc.unshare(_CLONE_NEWNS), "unshare")
    _check(_libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None), "/")


def signal_when_parent_ends(number: int) -> None:
    """Let the kernel send this process a signal when the thread that started it ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0), "prctl")


def sync_file_system(path: str) -> None:
    """Bring a whole file system to its disk: syncfs(2)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _check(_libc.syncfs(descriptor), path)
    finally:
        os.close(descriptor)
