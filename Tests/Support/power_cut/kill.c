#include "record.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef int (*killer)(pid_t, int);

static killer real_kill(void) {
    static killer real;
    if (!real) real = (killer)dlsym(RTLD_NEXT, "kill");
    return real;
}

/* Whether all threads of a process are stopped; true as well if there is no such process. */
static int is_stopped(pid_t process) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/task", process);
    DIR *threads = opendir(path);
    if (!threads) return 1;
    int stopped = 1;
    for (struct dirent *entry; stopped && (entry = readdir(threads));) {
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/%d/task/%.16s/stat", process, entry->d_name);
        FILE *file = fopen(path, "re");
        if (!file) continue;
        size_t length = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        text[length] = 0;
        const char *state = strrchr(text, ')');
        if (state && !strchr("TtZX", state[2])) stopped = 0;
    }
    closedir(threads);
    return stopped;
}

/* Kills a process, or with a negative number its group, but not between a change and its record. */
int power_cut_kill(pid_t process) {
    pid_t leader = process < 0 ? -process : process;
    killer kill_now = real_kill();
    _Atomic uint32_t *busy = busy_flag(leader, 0);
    for (int attempt = 0; busy && attempt < 5000; attempt++) {
        if (kill_now(leader, SIGSTOP) != 0) break;
        for (int i = 0; i < 20000 && !is_stopped(leader); i++) usleep(100);
        if (!atomic_load(busy)) break;
        kill_now(leader, SIGCONT);
        usleep(200);
    }
    if (busy) munmap((void *)busy, 4096);
    return kill_now(process, SIGKILL);
}

/* For those who kill without being recorded themselves: where the busy.PID files are. */
void power_cut_use(const char *directory) { log_directory = strdup(directory); }

int kill(pid_t process, int number) {
    if (number == SIGKILL && process != 0 && process != -1) return power_cut_kill(process);
    return real_kill()(process, number);
}
