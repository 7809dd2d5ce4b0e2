// What Swift cannot call or does not see: variadic functions, and headers and functions that its Glibc module leaves out.
// The GNU parts of the C library are declared one by one: with _GNU_SOURCE this module's view of common types would
// differ from that of the Glibc module, and Swift could not tell which one is meant.
#ifndef POSTROOM_LINUX_H
#define POSTROOM_LINUX_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

int accept4(int listener, struct sockaddr *address, socklen_t *length, int flags);
int fallocate(int descriptor, int mode, off_t offset, off_t length);
int memfd_create(const char *name, unsigned int flags);
int sync_file_range(int descriptor, off_t offset, off_t length, unsigned int flags);
int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path);
char *strptime(const char *text, const char *format, struct tm *parts);

/// linux/falloc.h: the blocks are reserved and the file's length stays.
static const int postroom_fallocate_keep_size = 1;
/// fcntl.h, SYNC_FILE_RANGE_WRITE: pages that are not being written yet are written, and the call does not wait for that.
static const unsigned int postroom_sync_file_range_write = 2;
/// linux/memfd.h: the descriptor is not inherited.
static const unsigned int postroom_memfd_close_on_exec = 1;

/// prctl(2) is variadic. The kernel sends `signal` to this process when its parent's thread ends.
static inline int postroom_signal_on_parent_death(int signal) { return prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0); }

/// ioctl(2) is variadic.
static inline int postroom_set_nonblocking(int descriptor) {
    int on = 1;
    return ioctl(descriptor, FIONBIO, &on);
}

/// fcntl(2) is variadic. A pipe holds so many bytes from now on (linux/fcntl.h, F_SETPIPE_SZ).
static inline int postroom_set_pipe_size(int descriptor, int bytes) { return fcntl(descriptor, 1031, bytes); }

/// syscall(2) is variadic, and the C library of Debian 12 has pidfd_open(2) in no header that Swift can see.
static inline int postroom_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

/// fcntl(2) is variadic. A copy of a descriptor that programs started later do not inherit, numbered `lowest` or above.
static inline int postroom_duplicate(int descriptor, int lowest) { return fcntl(descriptor, F_DUPFD_CLOEXEC, lowest); }

/// fcntl(2) is variadic. Whether programs started later inherit a descriptor.
static inline int postroom_set_inherited(int descriptor, int inherited) {
    return fcntl(descriptor, F_SETFD, inherited ? 0 : FD_CLOEXEC);
}

/// fcntl(2) is variadic. Whether another process has a lock of fcntl(2) on the first bytes of a file; -1 if that cannot be
/// found out.
static inline int postroom_is_locked(int descriptor, int bytes) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = bytes};
    return fcntl(descriptor, F_GETLK, &lock) == 0 ? lock.l_type != F_UNLCK : -1;
}

/// fcntl(2) is variadic. The process that has a lock of fcntl(2) on a byte of a file; -1 if there is none, or that cannot be
/// found out.
static inline pid_t postroom_lock_holder(int descriptor, off_t offset) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1};
    return fcntl(descriptor, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? lock.l_pid : -1;
}

/// Numbers in memory that processes share. Swift's atomic types cannot be placed in such memory. A store is seen with
/// everything that the process has stored before.
static inline unsigned long long postroom_load(const void *memory, size_t index) {
    return __atomic_load_n((const unsigned long long *)memory + index, __ATOMIC_ACQUIRE);
}
static inline void postroom_store(void *memory, size_t index, unsigned long long value) {
    __atomic_store_n((unsigned long long *)memory + index, value, __ATOMIC_RELEASE);
}
/// Raises a number to a value if it is lower. Returns whether it was.
static inline int postroom_raise(void *memory, size_t index, unsigned long long value) {
    unsigned long long *number = (unsigned long long *)memory + index;
    unsigned long long old = __atomic_load_n(number, __ATOMIC_SEQ_CST);
    while (old < value) {
        if (__atomic_compare_exchange_n(number, &old, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return 1;
    }
    return 0;
}
/// futex(2) on the lower half of a number: waits until it is woken, or the half differs from `seen`, or the time is up.
static inline void postroom_wait(const void *memory, size_t index, unsigned int seen, long milliseconds) {
    const unsigned int *half = (const unsigned int *)((const unsigned long long *)memory + index);
    if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) half++;
    struct timespec pause = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000};
    syscall(SYS_futex, half, 0 /* FUTEX_WAIT */, seen, &pause, 0, 0);
}
static inline void postroom_wake(const void *memory, size_t index, int count) {
    const unsigned int *half = (const unsigned int *)((const unsigned long long *)memory + index);
    if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) half++;
    syscall(SYS_futex, half, 1 /* FUTEX_WAKE */, count, 0, 0, 0);
}
static inline void postroom_add_at(void *memory, size_t index, unsigned long long value) {
    __atomic_fetch_add((unsigned long long *)memory + index, value, __ATOMIC_RELAXED);
}

/// The processors this process may run on (sched_getaffinity(2)), or 0 where there are more than 8192.
static inline int postroom_processor_count(void) {
    unsigned char mask[1024];
    long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
    int count = 0;
    for (long i = 0; i < bytes; i++) count += __builtin_popcount(mask[i]);
    return count;
}

/// Swift does not import the macro SIG_IGN: it casts a number to a function.
static inline void postroom_ignore(int signal_number) { signal(signal_number, SIG_IGN); }

/// What `postroom_end` writes, and the exit status.
static const char *postroom_last_words = "";
static int postroom_last_status = 0;

/// A handler of signals: writes a text to standard error, and ends the process at once. Calls only what a handler may call
/// (signal-safety(7)).
static inline void postroom_end(int signal_number) {
    (void)signal_number;
    (void)!write(2, postroom_last_words, strlen(postroom_last_words));
    _exit(postroom_last_status);
}

/// Has a signal end the process with a text and an exit status.
static inline void postroom_end_on(int signal_number, const char *text, int status) {
    const char *copy = strdup(text);
    if (!copy) return;
    postroom_last_words = copy;
    postroom_last_status = status;
    signal(signal_number, postroom_end);
}

#endif
