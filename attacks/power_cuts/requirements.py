"""What a run needs of the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path

from .file_systems import FileSystem

# Debian's names.
_PACKAGES = {
    "gcc": "gcc libc6-dev",
    "pkg-config": "pkg-config libfuse3-dev",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.xfs": "xfsprogs",
    "mkfs.btrfs": "btrfs-progs",
}


def missing(file_systems: Collection[FileSystem]) -> Iterator[str]:
    """Say what is missing, and how it can be had."""
    if os.geteuid() != 0:
        yield "root, to mount file systems"
    for kind in sorted({each.kind for each in file_systems} - _known()):
        yield f"a kernel with {kind}, built in or as a module that modprobe finds"
    for device in ("/dev/fuse", "/dev/loop-control"):
        if not Path(device).exists():
            yield f"{device}, from the kernel's module {Path(device).stem.removesuffix('-control')}"
    for program in ("gcc", "pkg-config", *sorted({each.make[0] for each in file_systems})):
        if shutil.which(program) is None:
            yield f"{program}: apt-get install {_PACKAGES[program]}"


def _known() -> set[str]:
    """The file systems of this kernel, those that are modules asked for."""
    if shutil.which("modprobe"):
        for module in ("ext4", "xfs", "btrfs", "fuse", "loop"):
            subprocess.run(["modprobe", "--quiet", module], check=False)
    return {line.split()[-1] for line in Path("/proc/filesystems").read_text(encoding="ascii").splitlines()}
