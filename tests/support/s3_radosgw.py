"""Ceph's S3 gateway with a monitor and one disk of its own, on loopback: real authentication, data that outlives kill -9.

The processes authenticate each other by nothing and write to one sparse file; nothing of this is for production.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from s3_servers import ACCESS, DIES_WITH_US, SECRET, Server, environment, free_port, make_bucket, stop, wait_for

__all__ = ["environment"]

PROGRAMS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin", DIES_WITH_US[0])
STEP = 120  # seconds that one step of the preparation may take

CONFIGURATION = """\
[global]
fsid = {fsid}
mon_host = v1:127.0.0.1:{mon_port}
ms_bind_msgr2 = false
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
keyring = {home}/keyring
run_dir = {home}
admin_socket = {home}/$name.asok
pid_file =
setuser_match_path =
log_file = {home}/$name.log
log_to_stderr = false
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_data_avail_crit = 1
mon_data_avail_warn = 2
mon_max_pg_per_osd = 2000
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4

[mon.a]
mon_data = {home}/mon
public_addr = v1:127.0.0.1:{mon_port}

[osd.0]
osd_data = {home}/osd
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
# Made by hand below; by itself it would register under a class that has no place in the map yet.
osd_class_update_on_start = false
osd_crush_update_on_start = false
osd_objectstore = bluestore
bluestore_block_create = true
bluestore_block_size = 8589934592
bluestore_fsck_on_mount = false
osd_memory_target = 939524096

[client.rgw.a]
rgw_frontends = beast endpoint=127.0.0.1:{port}
rgw_thread_pool_size = 32
"""


def is_installed() -> bool:
    """Say whether all programs of Ceph that are needed are there."""
    return all(map(shutil.which, PROGRAMS))


class Cluster:
    """One monitor, one disk, one gateway; kill() and start() may be called again and again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port, self.mon_port = free_port(), free_port()
        self.configuration = home / "ceph.conf"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.prepared = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start all; the first time, make all that they need."""
        if not self.prepared:
            self._prepare_monitor()
        self._run("mon", "ceph-mon", "-i", "a")
        if not self.prepared:
            self._prepare_disk()
        self._run("osd", "ceph-osd", "-i", "0")
        self._wait_for_disk()
        if not self.prepared:
            self._do(
                "radosgw-admin", "user", "create", "--uid=t", "--display-name=t", "--access-key", ACCESS, "--secret", SECRET
            )
            self.prepared = True
        wait_for(self.port, self._run("rgw", "radosgw", "-n", "client.rgw.a"), self.home / "rgw.out")

    def kill(self) -> None:
        """Kill -9 all of them at once."""
        for process in self.processes:
            os.killpg(process.pid, signal.SIGKILL)
        for process in self.processes:
            process.wait(STEP)
        self.processes.clear()

    def stop(self) -> None:
        """End all of them, the gateway first."""
        for process in reversed(self.processes):
            stop(process)
        self.processes.clear()

    def _prepare_monitor(self) -> None:
        fsid = str(uuid.uuid4())
        text = CONFIGURATION.format(fsid=fsid, mon_port=self.mon_port, port=self.port, home=self.home)
        self.configuration.write_text(text)
        (self.home / "keyring").touch()
        (self.home / "mon").mkdir()
        (self.home / "osd").mkdir()
        keys, plan = str(self.home / "mon.keyring"), str(self.home / "monmap")
        subprocess.run(
            ["ceph-authtool", "--create-keyring", keys, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"],
            check=True,
            capture_output=True,
        )
        address = f"[v1:127.0.0.1:{self.mon_port}]"
        subprocess.run(
            ["monmaptool", "--create", "--addv", "a", address, "--fsid", fsid, plan], check=True, capture_output=True
        )
        self._do("ceph-mon", "--mkfs", "-i", "a", "--monmap", plan, "--keyring", keys)

    def _prepare_disk(self) -> None:
        number = str(uuid.uuid4())
        self._do("ceph", "osd", "new", number, "0")
        self._do("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", number, "--no-mon-config")
        self._do("ceph", "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=here")

    def _wait_for_disk(self) -> None:
        for _ in range(STEP * 5):
            if "1 up" in self._do("ceph", "osd", "stat"):
                return
            time.sleep(0.2)
        raise AssertionError("the disk did not come up")

    def _do(self, *command: str) -> str:
        tries = 20 if command[0] == "ceph" else 1  # a monitor that has just begun turns some commands down
        for _ in range(tries):
            done = subprocess.run(
                [command[0], "-c", str(self.configuration), *command[1:]],
                capture_output=True,
                text=True,
                timeout=STEP,
                check=False,
            )
            if done.returncode == 0:
                return done.stdout
            time.sleep(0.3)
        raise AssertionError(f"{command}: {done.stdout}{done.stderr}")

    def _run(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        with (self.home / f"{name}.out").open("ab") as log:
            process = subprocess.Popen(
                [*DIES_WITH_US, command[0], "-c", str(self.configuration), *command[1:], "-f"],
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process


@contextmanager
def radosgw(home: Path) -> Iterator[tuple[Server, Cluster]]:
    """Run a cluster of one; give its server and the cluster itself."""
    cluster = Cluster(home)
    try:
        cluster.start()
        server = Server(cluster.url, cluster.processes)
        make_bucket(server)
        try:
            yield server, cluster
        finally:
            server.client.close()
    finally:
        cluster.stop()
