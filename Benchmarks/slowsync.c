/* A slow disk: every sync takes SLOW_SYNC_MICROSECONDS longer.
 *
 * Loaded with LD_PRELOAD. Child processes inherit it; it has an effect only in responders, which it recognizes by their
 * first argument.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static long delay_microseconds;

__attribute__((constructor)) static void start(int argc, char **argv)
{
    const char *text = getenv("SLOW_SYNC_MICROSECONDS");

    if (text != NULL && argc > 1 && strcmp(argv[1], "respond") == 0)
        delay_microseconds = atol(text);
}

static void wait_for_disk(void)
{
    struct timespec time = { delay_microseconds / 1000000, delay_microseconds % 1000000 * 1000 };

    if (delay_microseconds > 0)
        nanosleep(&time, NULL);
}

/* A write to a file that was opened with O_DSYNC waits for the disk, too. */
static void wait_if_synchronous(int file)
{
    if (delay_microseconds > 0 && (fcntl(file, F_GETFL) & O_DSYNC) != 0)
        wait_for_disk();
}

#define REAL(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

int fdatasync(int file)
{
    wait_for_disk();
    return REAL(fdatasync)(file);
}

int fsync(int file)
{
    wait_for_disk();
    return REAL(fsync)(file);
}

int msync(void *address, size_t length, int flags)
{
    if ((flags & 4 /* MS_SYNC */) != 0)
        wait_for_disk();
    return ((int (*)(void *, size_t, int))dlsym(RTLD_NEXT, "msync"))(address, length, flags);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset)
{
    wait_if_synchronous(file);
    return REAL(pwrite)(file, bytes, count, offset);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset)
{
    wait_if_synchronous(file);
    return REAL(pwrite64)(file, bytes, count, offset);
}

ssize_t pwritev(int file, const struct iovec *parts, int count, off_t offset)
{
    wait_if_synchronous(file);
    return REAL(pwritev)(file, parts, count, offset);
}

ssize_t writev(int file, const struct iovec *parts, int count)
{
    wait_if_synchronous(file);
    return REAL(writev)(file, parts, count);
}
