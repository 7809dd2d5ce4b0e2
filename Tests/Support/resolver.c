/* Resolves names as a test wants, by LD_PRELOAD. Each line of the file TEST_HOSTS is a name and its addresses. Without
 * an address the name does not exist; with "hangs" its lookup is not answered. Other names are resolved as usual. All
 * names are appended to TEST_HOSTS.asked. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static void write_down(const char *path, const char *name) {
    char asked[4096];
    snprintf(asked, sizeof asked, "%s.asked", path);
    FILE *file = fopen(asked, "a");
    if (!file) return;
    fprintf(file, "%s\n", name);
    fclose(file);
}

/* Whether the file has the name; then `line` gets the rest of its line. */
static int find(const char *path, const char *name, char *line, size_t size) {
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    size_t length = strlen(name);
    int found = 0;
    while (!found && fgets(line, size, file))
        found = !strncasecmp(line, name, length) && strchr(" \n", line[length]);
    fclose(file);
    if (found) memmove(line, line + length, strlen(line + length) + 1);
    return found;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **result) {
    lookup *next = (lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
    const char *path = getenv("TEST_HOSTS");
    char line[4096];
    if (!path || !name) return next(name, service, hints, result);
    write_down(path, name);
    if (!find(path, name, line, sizeof line)) return next(name, service, hints, result);
    struct addrinfo numeric = hints ? *hints : (struct addrinfo){0};
    numeric.ai_flags |= AI_NUMERICHOST;
    struct addrinfo **end = result;
    *end = NULL;
    char *rest = NULL;
    for (char *word = strtok_r(line, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest)) {
        if (!strcmp(word, "hangs")) {
            sleep(30);
            return EAI_AGAIN;
        }
        /* Usually because it is of the other family. */
        if (next(word, service, &numeric, end)) continue;
        while (*end) end = &(*end)->ai_next;
    }
    return *result ? 0 : EAI_NONAME;
}
