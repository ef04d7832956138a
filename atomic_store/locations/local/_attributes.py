"""What a new file keeps of the one that it replaces: owner, group, ACL, extended attributes and mode."""

from __future__ import annotations

import errno
import os
import stat
import sys

from ._tempfile import NOT_A_FILE, NOT_PERMITTED, SAFE, Descriptor, xattrs

_ACL = "system.posix_acl_access"


def keep(descriptor: int, new: os.stat_result, real: str, old: os.stat_result, names: list[str]) -> None:
    """Give the temp owner, group, ACL, extended attributes and, last, the mode of the file it replaces.

    Owner first: chown clears set-id bits. Mode last: until then nobody else may read the temp.
    """
    source = Descriptor()
    try:
        if names:
            # All from one file: a secret one that is put there meanwhile shall not show its own under this one's mode.
            old, names = _open_source(source, real, old, names)
        mode = stat.S_IMODE(old.st_mode)
        group_kept = (new.st_uid, new.st_gid) == (old.st_uid, old.st_gid) or keep_owner(descriptor, new, old)
        group_kept = _keep_xattrs(descriptor, source, names, group_kept)
    finally:
        source.close()
    if not group_kept:
        # Another group shall not see what only the old one could: its bits become those of "other".
        mode = mode & ~(stat.S_IRWXG | stat.S_ISGID) | (mode & stat.S_IRWXO) << 3
        _warn("the group %s of %r cannot be kept: its members have the rights of all others from now on", old.st_gid, real)
    if new.st_uid != old.st_uid and os.geteuid() != 0:
        mode &= ~stat.S_ISUID
    if mode != stat.S_IMODE(new.st_mode):
        os.fchmod(descriptor, mode)


def _open_source(source: Descriptor, real: str, old: os.stat_result, names: list[str]) -> tuple[os.stat_result, list[str]]:
    """Open the file whose attributes are kept; give its status and their names, or what is known if it cannot be opened."""
    try:
        status = os.fstat(source.open(real, os.O_RDONLY | SAFE))
    except OSError as error:
        if error.errno not in (*NOT_A_FILE, *NOT_PERMITTED):
            raise
        return old, names
    if stat.S_ISREG(status.st_mode):
        return status, xattrs(source.fd())
    source.close()
    return old, names


def keep_owner(descriptor: int, new: os.stat_result, old: os.stat_result) -> bool:
    """Give the temp the old owner and group as far as permitted; say whether the group is kept."""
    for owner in (old.st_uid, -1):
        try:
            os.fchown(descriptor, owner, old.st_gid)
        except OSError as error:
            if error.errno not in NOT_PERMITTED:
                raise
        else:
            return True
    return new.st_gid == old.st_gid


def _keep_xattrs(descriptor: int, source: Descriptor, names: list[str], group_kept: bool) -> bool:
    """Copy user.* attributes, the SELinux context and the POSIX ACL from an open file, as far as permitted.

    Never security.ima, .evm or .capability: they vouch for the old bytes. Say whether the group
    may have its bits of the mode: with an ACL they are the mask, which without it allows too much.
    """
    for name in names:
        if name.startswith("user.") or name == "security.selinux":
            _keep_xattr(descriptor, source, name)
    if group_kept and _ACL in names:
        group_kept = _keep_xattr(descriptor, source, _ACL)
    if (_ACL not in names or not group_kept) and _ACL in xattrs(descriptor):
        # The directory's default ACL has given the temp one, which the mode would wake up (acl(5)).
        os.removexattr(descriptor, _ACL)
    return group_kept


def _keep_xattr(descriptor: int, source: Descriptor, name: str) -> bool:
    if not source:
        return False
    try:
        os.setxattr(descriptor, name, os.getxattr(source.fd(), name))
    except OSError as error:
        if error.errno not in (errno.ENODATA, *NOT_PERMITTED):
            raise
        return False
    return True


def _warn(message: str, *args: object) -> None:
    if "logging" in sys.modules:  # see log.py
        from ...log import warn

        warn(message, *args)
