/* Preloaded into every process of a build: kills all of them just before the call STOP_AT that creates, replaces, renames or deletes
   something below the layers' folder, counted over all processes. Writes every such call to STOP_LOG: number, call, program, path. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LAYERS "/build/layers/"

static int real_open(const char *path, int flags, mode_t mode) {
  static int (*open_)(const char *, int, ...);
  if (!open_) open_ = dlsym(RTLD_NEXT, "open");
  return open_(path, flags, mode);
}

static void full_path(char *full, int folder, const char *path) {
  char link[64];
  ssize_t length = 0;
  if (path[0] != '/') {
    if (folder == AT_FDCWD) strcpy(link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    length = readlink(link, full, 2048);
    if (length < 0) length = 0;
    full[length++] = '/';
  }
  snprintf(full + length, 2048, "%s", path);
}

/* The log is its own counter: one line for each call, under a lock. */
static void about_to(const char *call, int folder, const char *path) {
  int error = errno;
  char full[4200], line[4400];
  full_path(full, folder, path);
  if (strncmp(full, LAYERS, strlen(LAYERS)) == 0) {
    const char *counter = getenv("STOP_COUNTER"), *log = getenv("STOP_LOG"), *at = getenv("STOP_AT");
    int file = counter ? real_open(counter, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (file >= 0) {
      int number = 0;
      flock(file, LOCK_EX);
      if (pread(file, &number, sizeof number, 0) < 0) number = 0;
      number++;
      if (at && number == atoi(at)) {
        kill(-1, SIGKILL);
        raise(SIGKILL);
      }
      if (pwrite(file, &number, sizeof number, 0) < 0) number = -1;
      int lines = log ? real_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
      if (lines >= 0) {
        int length = snprintf(line, sizeof line, "%d %s %s %s\n", number, call, program_invocation_short_name, full);
        if (write(lines, line, length) < 0) number = -1;
        close(lines);
      }
      close(file);
    }
  }
  errno = error;
}

#define REAL(result, name, ...) \
  static result (*real)(__VA_ARGS__); \
  if (!real) real = dlsym(RTLD_NEXT, #name)

#define ONE_PATH(name) \
  int name(const char *path) { \
    REAL(int, name, const char *); \
    about_to(#name, AT_FDCWD, path); \
    return real(path); \
  }
ONE_PATH(unlink)
ONE_PATH(rmdir)
ONE_PATH(remove)

int unlinkat(int folder, const char *path, int flags) {
  REAL(int, unlinkat, int, const char *, int);
  about_to("unlinkat", folder, path);
  return real(folder, path, flags);
}

int mkdir(const char *path, mode_t mode) {
  REAL(int, mkdir, const char *, mode_t);
  about_to("mkdir", AT_FDCWD, path);
  return real(path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode) {
  REAL(int, mkdirat, int, const char *, mode_t);
  about_to("mkdirat", folder, path);
  return real(folder, path, mode);
}

#define TWO_PATHS(name) \
  int name(const char *from, const char *to) { \
    REAL(int, name, const char *, const char *); \
    about_to(#name, AT_FDCWD, to); \
    return real(from, to); \
  }
TWO_PATHS(rename)
TWO_PATHS(link)
TWO_PATHS(symlink)

int renameat(int a, const char *from, int b, const char *to) {
  REAL(int, renameat, int, const char *, int, const char *);
  about_to("renameat", b, to);
  return real(a, from, b, to);
}

int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
  REAL(int, renameat2, int, const char *, int, const char *, unsigned);
  about_to("renameat2", b, to);
  return real(a, from, b, to, flags);
}

int linkat(int a, const char *from, int b, const char *to, int flags) {
  REAL(int, linkat, int, const char *, int, const char *, int);
  about_to("linkat", b, to);
  return real(a, from, b, to, flags);
}

int symlinkat(const char *target, int folder, const char *path) {
  REAL(int, symlinkat, const char *, int, const char *);
  about_to("symlinkat", folder, path);
  return real(target, folder, path);
}

#define WRITES(flags) ((flags) & (O_CREAT | O_TRUNC))

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    REAL(int, name, const char *, int, ...); \
    va_list arguments; \
    va_start(arguments, flags); \
    mode_t mode = va_arg(arguments, mode_t); \
    va_end(arguments); \
    if (WRITES(flags)) about_to("open", AT_FDCWD, path); \
    return real(path, flags, mode); \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
  int name(int folder, const char *path, int flags, ...) { \
    REAL(int, name, int, const char *, int, ...); \
    va_list arguments; \
    va_start(arguments, flags); \
    mode_t mode = va_arg(arguments, mode_t); \
    va_end(arguments); \
    if (WRITES(flags)) about_to("open", folder, path); \
    return real(folder, path, flags, mode); \
  }
OPENAT(openat)
OPENAT(openat64)

#define FOPEN(name) \
  FILE *name(const char *path, const char *mode) { \
    REAL(FILE *, name, const char *, const char *); \
    if (strpbrk(mode, "wa")) about_to("open", AT_FDCWD, path); \
    return real(path, mode); \
  }
FOPEN(fopen)
FOPEN(fopen64)
