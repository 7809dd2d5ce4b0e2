#include "record.h"

#include <stdarg.h>
#include <string.h>

static void note_names(uint32_t kind, uint64_t start, uint64_t inode, const char *name, const char *other) {
    struct iovec parts[] = {{(void *)name, strlen(name) + 1}, {(void *)(other ? other : ""), other ? strlen(other) + 1 : 0}};
    note(kind, start, inode, 0, 0, parts, 2, parts[0].iov_len + parts[1].iov_len);
}

static int open_file(int directory, const char *path, int flags, mode_t mode) {
    static int (*real)(int, const char *, int, ...);
    if (!real) real = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat");
    if (boot_file && path && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0) path = boot_file;
    char whole[PATH_MAX];
    const char *name = flags & (O_CREAT | O_TRUNC) ? named(directory, path, whole) : NULL;
    if (!name) {
        int file = real(directory, path, flags, mode);
        forget(file);
        return file;
    }
    enter();
    struct stat before, after;
    int was_there = fstatat(directory, path, &before, 0) == 0;
    uint64_t start = now();
    int file = real(directory, path, flags, mode);
    int failure = errno;
    forget(file);
    if (file >= 0 && fstat(file, &after) == 0) {
        if (!was_there) note_names(CREATE, start, after.st_ino, name, NULL);
        if (was_there && flags & O_TRUNC) note(TRUNCATE, start, after.st_ino, 0, 0, NULL, 0, 0);
    }
    leave();
    errno = failure;
    return file;
}

#define MODE(flags)                                            \
    mode_t mode = 0;                                           \
    if (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) { \
        va_list rest;                                          \
        va_start(rest, flags);                                 \
        mode = va_arg(rest, mode_t);                           \
        va_end(rest);                                          \
    }

int open(const char *path, int flags, ...) {
    MODE(flags)
    return open_file(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags)
    return open_file(AT_FDCWD, path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...) {
    MODE(flags)
    return open_file(directory, path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...) {
    MODE(flags)
    return open_file(directory, path, flags, mode);
}

#define RECORD_NAMES(call, kind, first, second, subject)                        \
    char whole[PATH_MAX], whole2[PATH_MAX];                                     \
    const char *name = named(AT_FDCWD, first, whole);                           \
    const char *other = named(AT_FDCWD, second, whole2);                        \
    if (!name && !other) return call;                                           \
    struct stat information = {0};                                              \
    enter();                                                                    \
    (void)lstat(subject, &information);                                         \
    uint64_t start = now();                                                     \
    int result = call;                                                          \
    int failure = errno;                                                        \
    if (result == 0) note_names(kind, start, information.st_ino, name ? name : "", other); \
    leave();                                                                    \
    errno = failure;                                                            \
    return result

int rename(const char *from, const char *to) {
    REAL(rename);
    RECORD_NAMES(real(from, to), RENAME, from, to, from);
}

int link(const char *from, const char *to) {
    REAL(link);
    RECORD_NAMES(real(from, to), LINK, from, to, from);
}

int unlink(const char *path) {
    REAL(unlink);
    RECORD_NAMES(real(path), UNLINK, path, NULL, path);
}

int close(int file) {
    REAL(close);
    forget(file);
    return real(file);
}

int dup2(int file, int other) {
    REAL(dup2);
    forget(other);
    return real(file, other);
}

int dup3(int file, int other, int flags) {
    REAL(dup3);
    forget(other);
    return real(file, other, flags);
}
