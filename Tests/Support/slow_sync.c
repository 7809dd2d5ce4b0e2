// Makes each sync take SLOW_SYNC_MICROSECONDS longer, so that a process which commits holds the store's write lock for
// most of the time.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

int fdatasync(int descriptor) {
    static int (*next)(int);
    if (!next) next = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    const char *microseconds = getenv("SLOW_SYNC_MICROSECONDS");
    int result = next(descriptor);
    if (microseconds) usleep((useconds_t)atoi(microseconds));
    return result;
}
