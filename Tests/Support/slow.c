/* Makes slow work wait while the file TEST_BRAKE exists, and adds a byte to TEST_BRAKE.begun for each beginning. Slow
   work is: making an RSA key, Argon2id, and renaming a file to a name that ends in ".conf". */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void brake(void) {
    const char *path = getenv("TEST_BRAKE");
    char begun[4096];
    if (!path || access(path, F_OK) != 0) return;
    snprintf(begun, sizeof begun, "%s.begun", path);
    int file = open(begun, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (file >= 0) {
        if (write(file, "x", 1) != 1) abort();
        close(file);
    }
    for (int i = 0; i < 6000 && access(path, F_OK) == 0; i++) usleep(5000);
}

int EVP_PKEY_generate(void *context, void **key) {
    static int (*next)(void *, void **);
    if (!next) next = (int (*)(void *, void **))dlsym(RTLD_NEXT, "EVP_PKEY_generate");
    brake();
    return next(context, key);
}

int EVP_PKEY_keygen(void *context, void **key) {
    static int (*next)(void *, void **);
    if (!next) next = (int (*)(void *, void **))dlsym(RTLD_NEXT, "EVP_PKEY_keygen");
    brake();
    return next(context, key);
}

int argon2id_hash_raw(uint32_t t, uint32_t m, uint32_t p, const void *pwd, size_t pwdlen, const void *salt,
                      size_t saltlen, void *hash, size_t hashlen) {
    static int (*next)(uint32_t, uint32_t, uint32_t, const void *, size_t, const void *, size_t, void *, size_t);
    if (!next)
        next = (int (*)(uint32_t, uint32_t, uint32_t, const void *, size_t, const void *, size_t, void *, size_t))dlsym(
            RTLD_NEXT, "argon2id_hash_raw");
    brake();
    return next(t, m, p, pwd, pwdlen, salt, saltlen, hash, hashlen);
}

static int ends_in_conf(const char *path) {
    size_t length = strlen(path);
    return length > 5 && strcmp(path + length - 5, ".conf") == 0;
}

int rename(const char *from, const char *to) {
    static int (*next)(const char *, const char *);
    if (!next) next = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    if (ends_in_conf(to)) brake();
    return next(from, to);
}
