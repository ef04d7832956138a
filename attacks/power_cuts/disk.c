/*
 * A disk that remembers: one file that a loop device can sit on, with a log of every write and every flush.
 *
 *     disk IMAGE LOG MOUNTPOINT
 *
 * The mount point shows two files. `disk` is the image: what is written there goes to IMAGE and, data and all, to LOG;
 * the loop driver hands on a flush (and the second half of a write with FUA) as fsync, which is logged as well.
 * `control` takes one command a write(2):
 *
 *     M text     log the text as a mark, in its place among the writes
 *     A k        the k-th write or flush from now fails with EIO, once
 *     D k        so does each one after it: the disk is dead
 *     N          nothing fails any more
 *     R          begin the log anew
 *
 * One thread serves everything, so the log is the order in which the disk has answered. A record is a head of 16 bytes
 * (see `struct head`) and `length` bytes; recording.py reads it. "ready" on the standard output says that it is mounted.
 */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 35

#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { DISK = 1, CONTROL = 2 };

/* What a record says: in the byte order of the machine, which is the one that reads it. */
struct head {
    char kind; /* W: written, F: flushed, M: mark, w: a write that failed, f: a flush that failed */
    char unused[3];
    uint32_t length; /* bytes that follow */
    uint64_t offset; /* of a write, in bytes */
};

static int image = -1;
static int record = -1;
static off_t size;
static unsigned long countdown; /* the next write or flush is number 1; 0: none will fail */
static int dead;                /* whether all after it fail as well */

/* A log with a hole in it proves nothing: the disk rather ends. */
static void append(char kind, off_t offset, const void *data, size_t length)
{
    struct head head = {.kind = kind, .length = (uint32_t)length, .offset = (uint64_t)offset};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)data, length}};
    if (writev(record, parts, 2) != (ssize_t)(sizeof head + length)) {
        perror("disk: cannot write the log");
        _exit(1);
    }
}

/* Say whether this write or flush is one that has to fail. */
static int due(void)
{
    if (countdown == 0 || --countdown > 0)
        return 0;
    if (dead)
        countdown = 1;
    return 1;
}

static int command(const char *text, size_t length)
{
    char *end, number[32] = "";
    if (length == 0)
        return -EINVAL;
    switch (text[0]) {
    case 'M':
        append('M', 0, text + 1, length - 1);
        return (int)length;
    case 'A':
    case 'D':
        if (length >= sizeof number)
            return -EINVAL;
        memcpy(number, text + 1, length - 1);
        countdown = strtoul(number, &end, 10);
        dead = text[0] == 'D';
        return *end == '\0' && countdown > 0 ? (int)length : -EINVAL;
    case 'N':
        countdown = 0;
        return (int)length;
    case 'R':
        if (ftruncate(record, 0) != 0)
            return -errno;
        return (int)length;
    default:
        return -EINVAL;
    }
}

static int do_getattr(const char *path, struct stat *status, struct fuse_file_info *file)
{
    (void)file;
    memset(status, 0, sizeof *status);
    status->st_nlink = 1;
    if (strcmp(path, "/") == 0) {
        status->st_mode = S_IFDIR | 0700;
        status->st_nlink = 2;
    } else if (strcmp(path, "/disk") == 0) {
        status->st_mode = S_IFREG | 0600;
        status->st_size = size;
    } else if (strcmp(path, "/control") == 0) {
        status->st_mode = S_IFREG | 0200;
    } else {
        return -ENOENT;
    }
    return 0;
}

static int do_open(const char *path, struct fuse_file_info *file)
{
    file->fh = strcmp(path, "/disk") == 0 ? DISK : CONTROL;
    /* No page cache: what the harness puts into the image behind our back must be seen, and each write must come here. */
    file->direct_io = 1;
    return 0;
}

/* The kernel asks before a loop device is set up, and before each command: there is nothing to cut off. */
static int do_truncate(const char *path, off_t length, struct fuse_file_info *file)
{
    (void)path, (void)length, (void)file;
    return 0;
}

static int do_read(const char *path, char *buffer, size_t length, off_t offset, struct fuse_file_info *file)
{
    (void)path;
    if (file->fh != DISK)
        return -EBADF;
    ssize_t count = pread(image, buffer, length, offset);
    return count < 0 ? -errno : (int)count;
}

static int do_write(const char *path, const char *data, size_t length, off_t offset, struct fuse_file_info *file)
{
    (void)path;
    if (file->fh != DISK)
        return command(data, length);
    if (due()) {
        append('w', offset, data, length);
        return -EIO;
    }
    if (pwrite(image, data, length, offset) != (ssize_t)length)
        return -EIO;
    append('W', offset, data, length);
    return (int)length;
}

static int do_fsync(const char *path, int only_data, struct fuse_file_info *file)
{
    (void)path, (void)only_data;
    if (file->fh != DISK)
        return 0;
    int failed = due();
    append(failed ? 'f' : 'F', 0, NULL, 0);
    return failed ? -EIO : 0;
}

static void *do_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    (void)connection;
    config->nullpath_ok = 1;
    /*
     * A file system that is mounted on the loop device is unmounted by whoever is the last in its namespace, and needs us
     * for that. So we must not be the last: killed, we would wait for ourselves, for ever.
     */
    if (unshare(CLONE_NEWNS) != 0) {
        perror("disk: cannot leave the namespace of the mounts");
        _exit(1);
    }
    puts("ready");
    fflush(stdout);
    return NULL;
}

static const struct fuse_operations operations = {
    .getattr = do_getattr,
    .open = do_open,
    .truncate = do_truncate,
    .read = do_read,
    .write = do_write,
    .fsync = do_fsync,
    .init = do_init,
};

int main(int count, char **words)
{
    struct stat status;
    if (count != 4) {
        fputs("usage: disk IMAGE LOG MOUNTPOINT\n", stderr);
        return 2;
    }
    /* Without whom it serves, it would hold the mounts for ever. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    image = open(words[1], O_RDWR | O_CLOEXEC);
    record = open(words[2], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (image < 0 || record < 0 || fstat(image, &status) != 0) {
        perror("disk");
        return 1;
    }
    size = status.st_size;
    char *options[] = {words[0], "-f", "-s", "-o", "fsname=atomic_store_attack", words[3], NULL};
    return fuse_main(6, options, &operations, NULL);
}
