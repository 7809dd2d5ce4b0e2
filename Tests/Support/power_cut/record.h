#ifndef POWER_CUT_RECORD_H
#define POWER_CUT_RECORD_H

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { WRITE = 1, SYNC, TRUNCATE, EXTEND, CREATE, RENAME, UNLINK, LINK, SYNC_DIRECTORY, FAILED_SYNC };

/* Times are CLOCK_MONOTONIC in nanoseconds, from before to after the system call. */
struct record {
    uint64_t start, end, inode, offset, bytes;
    uint32_t kind, durable;
};

struct control {
    /* How much longer each sync takes. */
    _Atomic uint32_t delay_microseconds;
    /* One write of pages in so many finds the disk full; 0: none does. */
    _Atomic uint32_t full_odds;
    /* Counts down with each sync of a file; the one that takes it from 1 to 0 fails with EIO, and so does the next sync of
     * the same file by each descriptor that was open then. */
    _Atomic int32_t syncs_until_failure;
    _Atomic uint32_t failures;
    _Atomic uint64_t failed_inode;
};

/* What is known of a descriptor. */
enum { UNKNOWN, OTHER, RECORDED, DIRECTORY };
struct descriptor {
    char what, durable, is_store;
    /* control->failures as of the opening, or as of the last sync. */
    uint32_t failures;
    uint64_t inode;
};

enum { DESCRIPTORS = 4096 };
extern struct descriptor descriptors[DESCRIPTORS];
extern struct control *control;
extern const char *boot_file, *log_directory;

/* UNKNOWN is not returned. */
int what(int file);
/* Called when a number may stand for another file from now on. */
void forget(int file);
/* The path below the recorded directory of a name that a system call was given; NULL for what is not recorded. */
const char *named(int directory, const char *path, char whole[PATH_MAX]);
uint64_t now(void);
/* Around a change and its record. */
void enter(void);
void leave(void);
void note(uint32_t kind, uint64_t start, uint64_t inode, uint64_t offset, int durable, const struct iovec *parts, int count,
          uint64_t bytes);
/* The flag that is 1 between enter and leave, in the file busy.PID; NULL if that process has recorded nothing. */
_Atomic uint32_t *busy_flag(int process, int create);

/* The function that this one stands in for, looked up once. */
#define REAL(name)                                 \
    static __typeof__(&name) real;                 \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#endif
