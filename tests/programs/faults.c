/* Preloaded into memray: makes system calls fail, as $MEMRAY_FAULT says.
 *   CALL:ERROR[:FROM[:COUNT]]   the FROMth (1) call and COUNT - 1 (no end) after it fail with errno ERROR, a number
 *   write:short                 every write to a file writes half of it at most
 *   write:interrupted           every other write to a file fails with EINTR
 *   realtime:backwards          every look at the clock of the wall finds it an hour earlier than the one before
 * Writes to standard output and error are left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static char call[32], what[32];
static long from = 1, count = -1, seen;

__attribute__((constructor)) static void configure(void) {
  const char* fault = getenv("MEMRAY_FAULT");
  if (!fault || strcmp(program_invocation_short_name, "memray") != 0) return;
  if (sscanf(fault, "%31[^:]:%31[^:]:%ld:%ld", call, what, &from, &count) < 2) abort();
}

static int fails(const char* name) {
  if (strcmp(call, name) != 0) return 0;
  const int error = atoi(what);
  if (error == 0) return 0;
  seen++;
  if (seen < from || (count >= 0 && seen >= from + count)) return 0;
  errno = error;
  return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int is_file(int fd) {
  struct stat status;
  return fd > 2 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

ssize_t write(int fd, const void* bytes, size_t size) {
  static int calls;
  if (is_file(fd)) {
    if (fails("write")) return -1;
    if (!strcmp(call, "write") && !strcmp(what, "short") && size > 1) size = (size + 1) / 2;
    if (!strcmp(call, "write") && !strcmp(what, "interrupted") && calls++ % 2 == 0) return errno = EINTR, -1;
  }
  return REAL(write)(fd, bytes, size);
}

#define OPEN(name)                                                    \
  int name(const char* path, int flags, ...) {                        \
    va_list rest;                                                     \
    va_start(rest, flags);                                            \
    const mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;   \
    va_end(rest);                                                     \
    if (!strncmp(path, "/proc/", 6) && fails("open_proc")) return -1; \
    if ((flags & O_CREAT) && fails("create")) return -1;              \
    return REAL(name)(path, flags, mode);                             \
  }
OPEN(open)
OPEN(open64)

int mkostemp(char* name, int flags) { return fails("mkostemp") ? -1 : REAL(mkostemp)(name, flags); }
int mkostemp64(char* name, int flags) { return fails("mkostemp") ? -1 : REAL(mkostemp64)(name, flags); }
int rename(const char* a, const char* b) { return fails("rename") ? -1 : REAL(rename)(a, b); }
int memfd_create(const char* name, unsigned flags) {
  return fails("memfd_create") ? -1 : REAL(memfd_create)(name, flags);
}
int ftruncate(int fd, off_t size) { return fails("ftruncate") ? -1 : REAL(ftruncate)(fd, size); }
int pipe2(int fds[2], int flags) { return fails("pipe2") ? -1 : REAL(pipe2)(fds, flags); }
pid_t fork(void) { return fails("fork") ? -1 : REAL(fork)(); }
ssize_t pread(int fd, void* to, size_t size, off_t at) { return fails("pread") ? -1 : REAL(pread)(fd, to, size, at); }
ssize_t pread64(int fd, void* to, size_t size, off_t at) {
  return fails("pread") ? -1 : REAL(pread64)(fd, to, size, at);
}

static void* map(void* at, size_t size, int protection, int flags, int fd, off_t offset, __typeof__(&mmap) real) {
  return (flags & MAP_SHARED) && fails("mmap") ? MAP_FAILED : real(at, size, protection, flags, fd, offset);
}
void* mmap(void* at, size_t size, int protection, int flags, int fd, off_t offset) {
  return map(at, size, protection, flags, fd, offset, REAL(mmap));
}
void* mmap64(void* at, size_t size, int protection, int flags, int fd, off_t offset) {
  return map(at, size, protection, flags, fd, offset, REAL(mmap64));
}

int clock_gettime(clockid_t clock, struct timespec* time) {
  static long hours;
  const int result = REAL(clock_gettime)(clock, time);
  if (clock == CLOCK_REALTIME && !strcmp(call, "realtime")) time->tv_sec -= 3600 * hours++;
  return result;
}
