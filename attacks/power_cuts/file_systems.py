"""The file systems under attack: how each is made and mounted."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple


class FileSystem(NamedTuple):
    """One file system, in one of its modes.

    Attributes:
        name: what the command line and the results call it.
        kind: what mount(2) calls it.
        size: of the image, in bytes; sparse, so that only what is written takes memory.
        make: the command that makes it, without the image.
        options: of mount(2).
    """

    name: str
    kind: str
    size: int
    make: tuple[str, ...]
    options: str = ""

    def make_on(self, image: Path) -> None:
        """Make an empty one in the image, with an identifier of its own: btrfs takes equal ones for the same."""
        subprocess.run([*self.make, str(image)], check=True, capture_output=True)


MIB = 1 << 20
# Blocks of 4 KiB, as on any disk that is not tiny. Nothing is left for the kernel to fill in later: its writes would only
# blur the log.
_EXT4 = ("mkfs.ext4", "-q", "-F", "-b", "4096", "-J", "size=4", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard")

FILE_SYSTEMS = {
    each.name: each
    for each in (
        FileSystem("ext4-ordered", "ext4", 64 * MIB, _EXT4, "data=ordered"),
        FileSystem("ext4-writeback", "ext4", 64 * MIB, _EXT4, "data=writeback"),
        FileSystem("ext4-noauto_da_alloc", "ext4", 64 * MIB, _EXT4, "data=ordered,noauto_da_alloc"),
        # mkfs.xfs makes none smaller than 300 MB.
        FileSystem("xfs", "xfs", 304 * MIB, ("mkfs.xfs", "-q", "-f", "-K")),
        FileSystem("btrfs", "btrfs", 128 * MIB, ("mkfs.btrfs", "-q", "-f", "-K"), "nodiscard"),
    )
}
