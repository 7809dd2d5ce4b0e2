/* Faults of the disk, for LD_PRELOAD. FAILING_DISK names a file with one struct faults for each of `names`, which all
 * processes map: the test writes its fields, and reads the counts (support/disks.py). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *const names[] = {"journal", "store.mdb"};
enum { FILES = sizeof names / sizeof *names, META_BYTES = 4096 };

struct faults {
    /* While not 0, syncs wait before they begin; so do writes. */
    _Atomic uint32_t holds_syncs, holds_writes;
    /* How much longer each sync takes. */
    _Atomic uint32_t sync_microseconds;
    /* Count down with each sync or write; the one that takes it from 1 to 0 fails with EIO. */
    _Atomic int32_t syncs_until_failure, writes_until_failure;
    /* One write in so many finds the disk full; 0: none does. Writes of meta pages, which are short, do not. */
    _Atomic uint32_t full_odds;
    /* How many have begun, and how many failed. */
    _Atomic uint32_t syncs, writes, failures;
    /* The process that waits in a write, and in a sync. */
    _Atomic int32_t writer, syncer;
    uint32_t unused[5];
};

static struct faults *all;

__attribute__((constructor)) static void map(void) {
    const char *path = getenv("FAILING_DISK");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *found = mmap(NULL, FILES * sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (found != MAP_FAILED) all = found;
    close(file);
}

/* The faults of an open file; NULL if it is not one of `names`. */
static struct faults *of(int file) {
    if (!all) return NULL;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return NULL;
    path[length] = 0;
    const char *name = strrchr(path, '/');
    for (int i = 0; name && i < FILES; i++)
        if (strcmp(name + 1, names[i]) == 0) return &all[i];
    return NULL;
}

/* poll(2), since a test takes a process that sleeps in it for one that has nothing to do. */
static void wait_while(_Atomic uint32_t *held, _Atomic int32_t *waiting) {
    if (!atomic_load(held)) return;
    atomic_store(waiting, getpid());
    while (atomic_load(held)) poll(NULL, 0, 20);
    atomic_store(waiting, 0);
}

static int is_due(struct faults *faults, _Atomic int32_t *countdown) {
    if (atomic_load(countdown) <= 0 || atomic_fetch_sub(countdown, 1) != 1) return 0;
    atomic_fetch_add(&faults->failures, 1);
    return 1;
}

static int sync_file(int (*real)(int), int file) {
    struct faults *faults = of(file);
    if (!faults) return real(file);
    atomic_fetch_add(&faults->syncs, 1);
    wait_while(&faults->holds_syncs, &faults->syncer);
    uint32_t microseconds = atomic_load(&faults->sync_microseconds);
    if (microseconds) usleep(microseconds);
    int result = real(file);
    if (result == 0 && is_due(faults, &faults->syncs_until_failure)) {
        errno = EIO;
        return -1;
    }
    return result;
}

int fdatasync(int file) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return sync_file(real, file);
}

int fsync(int file) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return sync_file(real, file);
}

/* 0 if a write may go on; otherwise errno says why not. */
static int refused(struct faults *faults, size_t bytes) {
    atomic_fetch_add(&faults->writes, 1);
    wait_while(&faults->holds_writes, &faults->writer);
    if (is_due(faults, &faults->writes_until_failure)) {
        errno = EIO;
        return 1;
    }
    static _Atomic uint32_t turn;
    uint32_t odds = atomic_load(&faults->full_odds);
    if (odds && bytes >= META_BYTES && atomic_fetch_add(&turn, 1) % odds == 0) {
        atomic_fetch_add(&faults->failures, 1);
        errno = ENOSPC;
        return 1;
    }
    return 0;
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (!real) real = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
    struct faults *faults = of(file);
    if (faults && refused(faults, count)) return -1;
    return real(file, bytes, count, offset);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) { return pwrite(file, bytes, count, offset); }

/* LMDB writes pages that follow each other in this way, from the position of lseek(2) on. */
ssize_t writev(int file, const struct iovec *parts, int count) {
    static ssize_t (*real)(int, const struct iovec *, int);
    if (!real) real = (ssize_t(*)(int, const struct iovec *, int))dlsym(RTLD_NEXT, "writev");
    size_t bytes = 0;
    for (int i = 0; i < count; i++) bytes += parts[i].iov_len;
    struct faults *faults = of(file);
    if (faults && refused(faults, bytes)) return -1;
    return real(file, parts, count);
}
