"""A library that is loaded before all others and lets chosen calls of the system fail, compiled by the C compiler."""

import ctypes
import os
import subprocess
from pathlib import Path

READING, WRITING = 1, 2

SOURCE = r"""
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READING = 1, WRITING = 2 };
static char prefix[PATH_MAX];
static int kinds, error_number;
static long calls, first, times;

void arm(const char *below, int which, long at, int error, long how_often) {
    snprintf(prefix, sizeof prefix, "%s", below);
    calls = 0; first = at; error_number = error; times = how_often; kinds = which;
}

long counted(void) { return calls; }

__attribute__((constructor)) static void begin(void) {
    char below[PATH_MAX];
    int which, error;
    long at, how_often;
    const char *given = getenv("FAULTS");
    if (given && sscanf(given, "%d %ld %d %ld %4095s", &which, &at, &error, &how_often, below) == 5)
        arm(below, which, at, error, how_often);
}

static int fails(int kind, const char *path) {
    if (!(kinds & kind) || !path || strncmp(path, prefix, strlen(prefix))) return 0;
    long number = __atomic_fetch_add(&calls, 1, __ATOMIC_SEQ_CST);
    if (number < first || number - first >= times) return 0;
    errno = error_number;
    return 1;
}

static int fails_open(int kind, int file) {
    char link[64], path[PATH_MAX];
    if (!(kinds & kind)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return fails(kind, path);
}

static int kind_of(int flags) { return flags & (O_WRONLY | O_RDWR | O_CREAT) ? WRITING : READING; }

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        return fails(kind_of(flags), path) ? -1 : REAL(name)(path, flags, mode); }
OPEN(open)
OPEN(open64)
#define STAT(name, type) \
    int name(const char *path, struct type *found) { return fails(READING, path) ? -1 : REAL(name)(path, found); }
STAT(stat, stat)
STAT(lstat, stat)
STAT(stat64, stat64)
STAT(lstat64, stat64)
DIR *opendir(const char *path) { return fails(READING, path) ? NULL : REAL(opendir)(path); }
ssize_t read(int file, void *data, size_t size) {
    return fails_open(READING, file) ? -1 : REAL(read)(file, data, size); }
ssize_t pread(int file, void *data, size_t size, off_t at) {
    return fails_open(READING, file) ? -1 : REAL(pread)(file, data, size, at); }
ssize_t pread64(int file, void *data, size_t size, off64_t at) {
    return fails_open(READING, file) ? -1 : REAL(pread64)(file, data, size, at); }
ssize_t write(int file, const void *data, size_t size) {
    return fails_open(WRITING, file) ? -1 : REAL(write)(file, data, size); }
ssize_t pwrite(int file, const void *data, size_t size, off_t at) {
    return fails_open(WRITING, file) ? -1 : REAL(pwrite)(file, data, size, at); }
ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
    return fails_open(WRITING, file) ? -1 : REAL(pwrite64)(file, data, size, at); }
int fsync(int file) { return fails_open(WRITING, file) ? -1 : REAL(fsync)(file); }
int rename(const char *from, const char *to) { return fails(WRITING, to) ? -1 : REAL(rename)(from, to); }
int link(const char *from, const char *to) { return fails(WRITING, to) ? -1 : REAL(link)(from, to); }
int mkdir(const char *path, mode_t mode) { return fails(WRITING, path) ? -1 : REAL(mkdir)(path, mode); }
"""


def compiled(folder: Path) -> Path:
    """Compile the library. Raises FileNotFoundError where there is no C compiler."""
    source, library = folder / "faults.c", folder / "faults.so"
    source.write_text(SOURCE)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-w", "-o", library, source, "-ldl"], check=True)
    return library


def arm(below: Path, kinds: int, at: int, error: int, times: int) -> None:
    """Let the calls from number `at` on fail, `times` of them: those of some kinds on paths below a folder."""
    ctypes.CDLL(None).arm(os.fsencode(below), kinds, ctypes.c_long(at), error, ctypes.c_long(times))
    os.environ["FAULTS"] = f"{kinds} {at} {error} {times} {below}"  # for processes that are started


def counted() -> int:
    """How many calls of the kinds there were since `arm`."""
    function = ctypes.CDLL(None).counted
    function.restype = ctypes.c_long
    return int(function())
