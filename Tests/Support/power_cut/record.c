/* Records, by LD_PRELOAD, what the processes of a service do to the files in a directory, so that a test can build what
 * a power cut would have left at any moment.
 *
 * POWER_CUT_DATA   the directory, as an absolute path without links; without it nothing is recorded
 * POWER_CUT_LOG    the directory of the records. Each process appends to a file of its own: a `struct record`, followed
 *                  by `bytes` bytes of data (what was written, or names)
 * POWER_CUT_BOOT   a file that is read instead of /proc/sys/kernel/random/boot_id: with another content, the machine
 *                  seems to have been started again
 *
 * The first bytes of the file `control` in POWER_CUT_LOG are a `struct control`, which a test may change at any time.
 *
 * A write and its record are one step for those who kill: the file busy.PID says so, and
 * power_cut_kill, which also stands in for kill(2) with SIGKILL in these processes, lets such a process go on first. So
 * each write that was made is in the records. Writes through memory maps, and by system calls that are not here
 * (sendfile, copy_file_range), are not seen. */
#include "record.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static const char *data;
static size_t data_length;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_file = -1;
static pid_t log_owner;
static _Atomic uint32_t *busy;

struct descriptor descriptors[DESCRIPTORS];
struct control *control;
const char *boot_file, *log_directory;

__attribute__((constructor)) static void begin(void) {
    data = getenv("POWER_CUT_DATA");
    log_directory = getenv("POWER_CUT_LOG");
    boot_file = getenv("POWER_CUT_BOOT");
    if (!data || !*data || !log_directory) {
        data = NULL;
        return;
    }
    data_length = strlen(data);
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/control", log_directory);
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) control = mapped;
    close(file);
}

uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static int ends_in(const char *text, const char *end) {
    size_t length = strlen(text), other = strlen(end);
    return length >= other && strcmp(text + length - other, end) == 0;
}

/* The path below the directory; NULL for what is not recorded: locks, shared memory, and what is in run/: no start reads them. */
static const char *inside(const char *path) {
    if (!data || strncmp(path, data, data_length) != 0 || path[data_length] != '/') return NULL;
    const char *name = path + data_length + 1;
    if (!*name || strncmp(name, "run/", 4) == 0 || strcmp(name, "run") == 0 || ends_in(name, "lock") || strcmp(name, "store.shared") == 0) return NULL;
    return name;
}

const char *named(int directory, const char *path, char whole[PATH_MAX]) {
    if (!data || !path) return NULL;
    if (*path == '/') return inside(path);
    char base[PATH_MAX], link[64];
    if (directory == AT_FDCWD) {
        if (!getcwd(base, sizeof base)) return NULL;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
        ssize_t length = readlink(link, base, sizeof base - 1);
        if (length <= 0) return NULL;
        base[length] = 0;
    }
    if (snprintf(whole, PATH_MAX, "%s/%s", base, path) >= PATH_MAX) return NULL;
    return inside(whole);
}

int what(int file) {
    if (!data || file < 0 || file >= DESCRIPTORS || file == log_file) return OTHER;
    if (descriptors[file].what == UNKNOWN) {
        char link[64], path[PATH_MAX];
        struct stat information;
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        ssize_t length = readlink(link, path, sizeof path - 1);
        path[length < 0 ? 0 : length] = 0;
        int found = OTHER;
        if (length > 0 && fstat(file, &information) == 0) {
            if (S_ISDIR(information.st_mode)) {
                if (strncmp(path, data, data_length) == 0) found = DIRECTORY;
            } else if (S_ISREG(information.st_mode) && inside(path)) {
                found = RECORDED;
                descriptors[file].is_store = ends_in(path, ".mdb");
            }
            descriptors[file].inode = information.st_ino;
            descriptors[file].durable = (fcntl(file, F_GETFL) & O_DSYNC) != 0;
        }
        descriptors[file].what = (char)found;
    }
    return descriptors[file].what;
}

void forget(int file) {
    if (file < 0 || file >= DESCRIPTORS) return;
    descriptors[file].what = UNKNOWN;
    descriptors[file].failures = control ? atomic_load(&control->failures) : 0;
}

_Atomic uint32_t *busy_flag(int process, int create) {
    char path[PATH_MAX];
    if (!log_directory) return NULL;
    snprintf(path, sizeof path, "%s/busy.%d", log_directory, process);
    int file = open(path, (create ? O_RDWR | O_CREAT : O_RDWR) | O_CLOEXEC, 0600);
    if (file < 0) return NULL;
    void *mapped = MAP_FAILED;
    if (ftruncate(file, 4096) == 0) mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return mapped == MAP_FAILED ? NULL : mapped;
}

/* Takes the lock, and opens the process's own log. */
void enter(void) {
    pthread_mutex_lock(&lock);
    if (log_owner != getpid()) {
        char path[PATH_MAX];
        log_owner = getpid();
        busy = busy_flag(log_owner, 1);
        if (!busy) abort();
        snprintf(path, sizeof path, "%s/log.%d.%llu", log_directory, log_owner, (unsigned long long)now());
        int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        // Out of the way of descriptors that the program numbers itself.
        log_file = fcntl(file, F_DUPFD_CLOEXEC, 200);
        if (log_file < 0) abort();
        close(file);
    }
    atomic_store(busy, 1);
}

void leave(void) {
    atomic_store(busy, 0);
    pthread_mutex_unlock(&lock);
}

void note(uint32_t kind, uint64_t start, uint64_t inode, uint64_t offset, int durable, const struct iovec *parts,
                 int count, uint64_t bytes) {
    struct record record = {start, now(), inode, offset, bytes, kind, (uint32_t)durable};
    struct iovec all[1025] = {{&record, sizeof record}};
    uint64_t left = bytes;
    int used = 1;
    for (int i = 0; i < count && left > 0 && used < 1025; i++, used++) {
        all[used] = parts[i];
        if (all[used].iov_len > left) all[used].iov_len = left;
        left -= all[used].iov_len;
    }
    static ssize_t (*real)(int, const struct iovec *, int);
    if (!real) real = (ssize_t(*)(int, const struct iovec *, int))dlsym(RTLD_NEXT, "writev");
    if (real(log_file, all, used) != (ssize_t)(sizeof record + bytes)) abort();
}
