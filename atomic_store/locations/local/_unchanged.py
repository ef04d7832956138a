"""skip_unchanged: whether a commit would store the very bytes that are stored."""

from __future__ import annotations

import itertools
import os

from ._tempfile import NOT_A_FILE, SAFE, Descriptor, TempFile, pieces, sync_file


def is_stored(file: TempFile, fsync: object) -> bool:
    """Return whether the place holds the very bytes of `file`; if so, those are synced, and theirs is its status."""
    stored = Descriptor()
    try:
        stored.open(file.real, os.O_RDONLY | SAFE)
        status = os.fstat(stored.fd())
        if status.st_size != file.status.st_size:
            return False
        if any(ours != theirs for ours, theirs in itertools.zip_longest(pieces(file.fd()), pieces(stored.fd()))):
            return False
        if fsync:
            sync_file(stored)  # whoever wrote them may not have waited for the disk
        file.status = status
    except OSError as error:
        if error.errno not in NOT_A_FILE:
            raise
        return False
    finally:
        stored.close()
    return True
