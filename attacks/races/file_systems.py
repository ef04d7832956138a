"""The file systems of the races, each made for one race and unmounted after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from machine import mounted, tool


@contextmanager
def on_loop(scratch: Path, kind: str, megabytes: int, *options: str) -> Iterator[Path]:
    """Lend a file system of a kind, on a loop device over a file with holes."""
    image = scratch / f"{kind}.image"
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    tool(f"mkfs.{kind}", *options, image)
    with mounted(scratch / kind, "-t", kind, "-o", "loop", image) as place:
        yield place


@contextmanager
def tmpfs(scratch: Path) -> Iterator[Path]:
    """Lend a tmpfs."""
    with mounted(scratch / "tmpfs", "-t", "tmpfs", "tmpfs") as place:
        yield place


@contextmanager
def overlay(scratch: Path) -> Iterator[Path]:
    """Lend an overlay, on a tmpfs of its own: on another overlay, as within a container, none can be mounted."""
    with mounted(scratch / "base", "-t", "tmpfs", "tmpfs") as base:
        for name in ("lower", "upper", "work"):
            (base / name).mkdir()
        options = f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work"
        with mounted(scratch / "overlay", "-t", "overlay", "-o", options, "overlay") as place:
            yield place


FILE_SYSTEMS: dict[str, Callable[[Path], AbstractContextManager[Path]]] = {
    "ext4": lambda scratch: on_loop(scratch, "ext4", 64, "-q"),
    # 300 MB: the least that mkfs.xfs takes.
    "xfs": lambda scratch: on_loop(scratch, "xfs", 320, "-q"),
    "btrfs": lambda scratch: on_loop(scratch, "btrfs", 128, "-q"),
    "tmpfs": tmpfs,
    "overlay": overlay,
}
