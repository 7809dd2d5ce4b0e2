#include "record.h"

#include <stdlib.h>

/* Whether a write of pages of the store is to find the disk full. Meta pages are shorter. */
static int is_full(int file, size_t bytes) {
    static unsigned state;
    unsigned odds = control ? atomic_load(&control->full_odds) : 0;
    if (odds == 0 || bytes < 4096 || !descriptors[file].is_store) return 0;
    if (state == 0) state = (unsigned)getpid();
    state = state * 1103515245 + 12345;
    return (state >> 8) % odds == 0;
}

#define RECORD_WRITE(call, vector, count, place, size)                                                         \
    if (what(file) != RECORDED) return call;                                                                   \
    if (is_full(file, size)) {                                                                                       \
        errno = ENOSPC;                                                                                        \
        return -1;                                                                                             \
    }                                                                                                          \
    enter();                                                                                                   \
    uint64_t start = now();                                                                                    \
    ssize_t result = call;                                                                                     \
    int failure = errno;                                                                                       \
    if (result > 0)                                                                                            \
        note(WRITE, start, descriptors[file].inode, (uint64_t)(place), descriptors[file].durable, vector, count, \
             (uint64_t)result);                                                                                \
    leave();                                                                                                   \
    errno = failure;                                                                                           \
    return result

static size_t size_of(const struct iovec *parts, int count) {
    size_t size = 0;
    for (int i = 0; i < count; i++) size += parts[i].iov_len;
    return size;
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    REAL(pwrite);
    struct iovec part = {(void *)bytes, count};
    RECORD_WRITE(real(file, bytes, count, offset), &part, 1, offset, count);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) { return pwrite(file, bytes, count, offset); }

ssize_t pwritev(int file, const struct iovec *parts, int count, off_t offset) {
    REAL(pwritev);
    RECORD_WRITE(real(file, parts, count, offset), parts, count, offset, size_of(parts, count));
}

ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t offset) {
    return pwritev(file, parts, count, offset);
}

ssize_t pwritev2(int file, const struct iovec *parts, int count, off_t offset, int flags) {
    // RWF_DSYNC and RWF_SYNC are not recorded as durable, which is stricter.
    REAL(pwritev2);
    RECORD_WRITE(real(file, parts, count, offset, flags), parts, count, offset, size_of(parts, count));
}

/* Where the last write by the descriptor's own position began. */
#define WRITTEN_AT (lseek(file, 0, SEEK_CUR) - result)

ssize_t write(int file, const void *bytes, size_t count) {
    REAL(write);
    struct iovec part = {(void *)bytes, count};
    RECORD_WRITE(real(file, bytes, count), &part, 1, WRITTEN_AT, count);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    REAL(writev);
    RECORD_WRITE(real(file, parts, count), parts, count, WRITTEN_AT, size_of(parts, count));
}

#define RECORD_SIZE(call, kind, size)                                                   \
    if (what(file) != RECORDED) return call;                                            \
    enter();                                                                            \
    uint64_t start = now();                                                             \
    int result = call;                                                                  \
    int failure = errno;                                                                \
    if (result == 0) note(kind, start, descriptors[file].inode, (uint64_t)(size), 0, NULL, 0, 0); \
    leave();                                                                            \
    errno = failure;                                                                    \
    return result

int ftruncate(int file, off_t size) {
    REAL(ftruncate);
    RECORD_SIZE(real(file, size), TRUNCATE, size);
}

int ftruncate64(int file, off64_t size) { return ftruncate(file, size); }

int posix_fallocate(int file, off_t offset, off_t length) {
    REAL(posix_fallocate);
    RECORD_SIZE(real(file, offset, length), EXTEND, offset + length);
}

int posix_fallocate64(int file, off64_t offset, off64_t length) { return posix_fallocate(file, offset, length); }

int fallocate(int file, int mode, off_t offset, off_t length) {
    REAL(fallocate);
    // FALLOC_FL_KEEP_SIZE changes nothing that can be read.
    if (mode & FALLOC_FL_KEEP_SIZE && !(mode & FALLOC_FL_PUNCH_HOLE)) return real(file, mode, offset, length);
    if (mode != 0 && what(file) == RECORDED) abort();
    RECORD_SIZE(real(file, mode, offset, length), EXTEND, offset + length);
}

int fallocate64(int file, int mode, off64_t offset, off64_t length) { return fallocate(file, mode, offset, length); }

/* Whether a sync is to fail, or another one has failed that this descriptor has not reported yet. */
static int fails(struct descriptor *file) {
    if (atomic_load(&control->syncs_until_failure) > 0 && atomic_fetch_sub(&control->syncs_until_failure, 1) == 1) {
        atomic_store(&control->failed_inode, file->inode);
        atomic_fetch_add(&control->failures, 1);
    }
    uint32_t failures = atomic_load(&control->failures);
    int is_new = failures != file->failures && atomic_load(&control->failed_inode) == file->inode;
    file->failures = failures;
    return is_new;
}

static int sync_file(int (*real)(int), int file) {
    int found = what(file);
    if (found != RECORDED && found != DIRECTORY) return real(file);
    uint64_t start = now();
    uint32_t delay = control ? atomic_load(&control->delay_microseconds) : 0;
    if (delay) usleep(delay);
    int result = real(file);
    int failure = errno;
    if (result == 0 && found == RECORDED && control && fails(&descriptors[file])) {
        result = -1;
        failure = EIO;
    }
    enter();
    uint32_t kind = found == DIRECTORY ? SYNC_DIRECTORY : result == 0 ? SYNC : FAILED_SYNC;
    if (result == 0 || found == RECORDED) note(kind, start, descriptors[file].inode, 0, 0, NULL, 0, 0);
    leave();
    errno = failure;
    return result;
}

int fsync(int file) {
    REAL(fsync);
    return sync_file(real, file);
}

int fdatasync(int file) {
    REAL(fdatasync);
    return sync_file(real, file);
}
