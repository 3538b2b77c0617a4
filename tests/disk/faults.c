/* A disk that fails when a test says so: loaded into the program before libc (LD_PRELOAD), it lets
 * calls fail that touch files below one folder.
 *
 * ODOMETER_TEST_DISK names the folder, ODOMETER_TEST_DISK_SWITCH a file of four 32-bit numbers that
 * both sides map or write: the error (0: none), which calls (a sum of the masks below), how many of
 * them pass first, and how many have failed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITES = 1, SYNCS = 2, CREATES = 4, READS = 8, ROOM = 16 };

struct control {
  _Atomic int32_t error;
  _Atomic int32_t calls;
  _Atomic int32_t pass;
  _Atomic int32_t failed;
};

static struct control *control;
static const char *folder;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("ODOMETER_TEST_DISK_SWITCH");
  folder = getenv("ODOMETER_TEST_DISK");
  if (!path || !folder) return;
  int fd = open(path, O_RDWR);
  void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (map == MAP_FAILED) abort();
  control = map;
}

static int below(const char *path) { return strncmp(path, folder, strlen(folder)) == 0; }

static int below_fd(int fd) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return below(path);
}

/* Whether a call has to fail; errno is set then. */
static int fails(int call, int fd, const char *path) {
  if (!control || !control->error || !(control->calls & call)) return 0;
  int saved = errno;
  int hit = path ? below(path) : below_fd(fd);
  errno = saved;
  if (!hit) return 0;
  if (control->pass > 0) {
    control->pass--;
    return 0;
  }
  control->failed++;
  errno = control->error;
  return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t length) {
  return fails(WRITES, fd, NULL) ? -1 : REAL(write)(fd, bytes, length);
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
  return fails(WRITES, fd, NULL) ? -1 : REAL(pwrite)(fd, bytes, length, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
  return fails(WRITES, fd, NULL) ? -1 : REAL(pwrite64)(fd, bytes, length, at);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  return fails(WRITES, fd, NULL) ? -1 : REAL(writev)(fd, parts, count);
}
ssize_t pread(int fd, void *bytes, size_t length, off_t at) {
  return fails(READS, fd, NULL) ? -1 : REAL(pread)(fd, bytes, length, at);
}
ssize_t pread64(int fd, void *bytes, size_t length, off64_t at) {
  return fails(READS, fd, NULL) ? -1 : REAL(pread64)(fd, bytes, length, at);
}
int fsync(int fd) { return fails(SYNCS, fd, NULL) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return fails(SYNCS, fd, NULL) ? -1 : REAL(fdatasync)(fd); }

static mode_t mode_of(int flags, va_list rest) {
  int makes = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
  return makes ? va_arg(rest, mode_t) : 0;
}

#define OPEN(name)                                                     \
  int name(const char *path, int flags, ...) {                         \
    va_list rest;                                                      \
    va_start(rest, flags);                                             \
    mode_t mode = mode_of(flags, rest);                                \
    va_end(rest);                                                      \
    if ((flags & O_CREAT) && fails(CREATES, -1, path)) return -1;      \
    return REAL(name)(path, flags, mode);                              \
  }
OPEN(open)
OPEN(open64)

/* Without room none is told of either. */
#define ROOM_OF(name, shape)                             \
  int name(const char *path, struct shape *told) {       \
    int result = REAL(name)(path, told);                 \
    if (result == 0 && fails(ROOM, -1, path)) {          \
      told->f_bfree = told->f_bavail = 0;                \
    }                                                    \
    return result;                                       \
  }
ROOM_OF(statvfs, statvfs)
ROOM_OF(statvfs64, statvfs64)

int mkdir(const char *path, mode_t mode) {
  return fails(CREATES, -1, path) ? -1 : REAL(mkdir)(path, mode);
}
int rename(const char *from, const char *to) {
  return fails(CREATES, -1, to) ? -1 : REAL(rename)(from, to);
}
