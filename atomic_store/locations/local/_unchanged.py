"""LocalFile(skip_unchanged=True): a commit of just the bytes that are stored writes nothing."""

import itertools
import os

from ._tempfile import NOT_A_FILE, READ, Descriptor, TempFile, fsync, pieces


def unchanged(file: TempFile, name: str, sync: object) -> os.stat_result | None:
    """Return the status of what is stored if it is the very bytes that were written, which are synced then; else None.

    Args:
        file: the new file.
        name: that of the file it would replace, in the same directory.
        sync: whether to sync what is stored.
    """
    directory, stored = file.directory, Descriptor()
    try:
        status = os.fstat(stored.open(directory.prefix + name, READ, dir_fd=directory.dir_fd))
        if status.st_size != file.status.st_size:
            return None
        if any(ours != theirs for ours, theirs in itertools.zip_longest(pieces(file.fd()), pieces(stored.fd()))):
            return None
        if sync:
            fsync(stored.fd())  # its writer may not have waited for the disk
    except OSError as error:
        if error.errno not in NOT_A_FILE:
            raise
        return None
    finally:
        stored.close()
    return status
