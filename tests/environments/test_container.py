"""The recipe of docs/how-to/container.md, run by hand: chroot, namespaces and mounts as a container engine makes them."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from machine import public_directory, public_python
from support import ROOT, require

PAGE = (ROOT / "docs" / "how-to" / "container.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The page's first block of a language."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


RECIPE = dict(re.findall(r"^([A-Z]+) (.*)$", block("dockerfile"), re.MULTILINE))
USER = int(RECIPE["USER"].partition(":")[0])

# Makes a root at $1 with /usr of this machine, the environment $2 in /image, the program $3 in the directory $4, and $7, a
# directory or a file, mounted on $8; $5 is ro or rw. What follows runs there as the user $6, process 1 of its namespaces.
ENGINE = """
root=$1 image=$2 program=$3 home=$4 options=$5 user=$6 from=$7 to=$8
shift 8
mount -t tmpfs -o mode=755 tmpfs "$root"
for name in bin lib lib64; do if [ -L "/$name" ]; then cp -d "/$name" "$root"; fi; done
for name in usr dev image; do mkdir "$root/$name"; done
mount --bind -o ro /usr "$root/usr"
mount --rbind /dev "$root/dev"
mount --bind "$image" "$root/image"
mkdir -p "$root$home" "$root/data"
cp "$program" "$root$home"
chown "$user" "$root/data"
[ -d "$from" ] || touch "$root$to"
mount --bind "$from" "$root$to"
mount -o "remount,$options" "$root"
exec chroot --userspec="$user" "$root" sh -euc 'cd "$0" && exec "$@"' "$home" "$@"
"""


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """What `RUN pip install` has put into the image, and the program that COPY does."""
    require(os.geteuid() == 0, "needs root to mount and to change the root directory")
    require(shutil.which("unshare") and shutil.which("chroot"), "needs unshare and chroot")
    with public_directory() as place:
        public_python(place)
        (place / "bin" / RECIPE["COPY"].split()[0]).write_text(block("python"), encoding="utf-8")
        yield place


@pytest.fixture
def data() -> Iterator[Path]:
    """A directory of the host that belongs to the user of the container."""
    with public_directory() as place:
        os.chown(place, USER, USER)
        yield place


def start(image: Path, root: Path, source: Path, target: str = "/data", options: str = "ro") -> subprocess.Popen[str]:
    """Start a container with `source` mounted on `target`."""
    root.mkdir()
    name, value = RECIPE["ENV"].split("=")
    program = image / "bin" / RECIPE["COPY"].split()[0]
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--net", "--ipc", "--uts", "sh", "-euc", ENGINE, "sh"]
    words += [str(root), str(image), str(program), RECIPE["WORKDIR"], options, RECIPE["USER"], str(source), target]
    words += ["env", "-i", "PATH=/image/bin:/usr/bin:/bin", f"{name}={value}", *json.loads(RECIPE["CMD"])]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(container: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for its end; give exit status, output and errors."""
    output, errors = container.communicate(timeout=60)
    return container.returncode, output, errors


def test_recipe_mounts_the_directory_that_the_program_writes_to() -> None:
    """Dockerfile and compose file speak of one directory, and the compose file mounts a volume there."""
    yaml: Any = importlib.import_module("yaml")
    service = yaml.safe_load(block("yaml"))["services"]["job"]
    assert RECIPE["ENV"] == f"DATA={RECIPE['VOLUME']}"
    assert service["volumes"] == [f"state:{RECIPE['VOLUME']}"]
    assert service["read_only"] is service["init"] is True
    assert set(RECIPE) == {"FROM", "RUN", "WORKDIR", "COPY", "USER", "VOLUME", "ENV", "CMD"}


def test_value_outlives_the_container(image: Path, data: Path, tmp_path: Path) -> None:
    """A mounted directory keeps the value from one container to the next, the container's own root being read-only."""
    for number in (1, 2):
        container = start(image, tmp_path / str(number), data)
        assert finish(container) == (0, f"run {number}\n", "")
    assert sorted(os.listdir(data)) == [".state.json.lock", "state.json"]
    assert (data / "state.json").stat().st_uid == USER


def test_containers_that_share_a_directory_lose_nothing(image: Path, data: Path, tmp_path: Path) -> None:
    """Eight containers at once, each in namespaces of its own, are counted as eight."""
    containers = [start(image, tmp_path / str(number), data) for number in range(8)]
    ended = [finish(container) for container in containers]
    assert sorted(ended) == [(0, f"run {number}\n", "") for number in range(1, 9)]


def test_directory_of_somebody_else_is_told(image: Path, data: Path, tmp_path: Path) -> None:
    """A mounted directory that the container's user may not write to is a PermissionError, and stays empty."""
    os.chown(data, 0, 0)
    status, output, errors = finish(start(image, tmp_path / "root", data))
    assert (status, output, os.listdir(data)) == (1, "", [])
    assert "PermissionError" in errors


@pytest.mark.parametrize("options", ["rw", "ro"])
def test_file_that_is_mounted_by_itself_is_told(options: str, image: Path, data: Path, tmp_path: Path) -> None:
    """A single file that is mounted is read, not replaced: an error, which says what to mount; the old value stays."""
    file = data / "state.json"
    file.write_text('{"runs": 5}', encoding="utf-8")
    os.chown(file, USER, USER)
    status, _, errors = finish(start(image, tmp_path / "root", file, "/data/state.json", options))
    assert status == 1
    if options == "rw":
        assert "mount its directory" in errors
    assert "/data/state.json" in errors
    assert file.read_text(encoding="utf-8") == '{"runs": 5}'
    assert os.listdir(data) == ["state.json"]
