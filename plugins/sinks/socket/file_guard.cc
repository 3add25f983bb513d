#include "file_guard.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace memray {
namespace {

void remove_if_same(const char* path, dev_t device, ino_t inode) {
  struct stat status {};
  if (lstat(path, &status) == 0 && status.st_dev == device && status.st_ino == inode) unlink(path);
}

void keep_only(int fd) {
  constexpr int kOnly = 0;
  dup2(fd, kOnly);
  if (syscall(SYS_close_range, kOnly + 1, ~0u, 0) == 0) return;
  const long most = sysconf(_SC_OPEN_MAX);
  for (int other = kOnly + 1; other < most; ++other) close(other);
}

[[noreturn]] void guard(int pipe, const char* path, dev_t device, ino_t inode) {
  setsid();
  prctl(PR_SET_NAME, "memray-guard");
  for (const int number : {SIGINT, SIGQUIT, SIGHUP, SIGTERM}) signal(number, SIG_IGN);
  keep_only(pipe);
  char byte = 0;
  while (read(0, &byte, 1) < 0 && errno == EINTR) {
  }
  remove_if_same(path, device, inode);
  _exit(0);
}

}  // namespace

void FileGuard::protect(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return;
  path_ = path;
  device_ = status.st_dev;
  inode_ = status.st_ino;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  guard_ = fork();
  if (guard_ == 0) guard(ends[0], path_.c_str(), device_, inode_);
  close(ends[0]);
  pipe_ = ends[1];
}

void FileGuard::release() {
  if (!path_.empty()) remove_if_same(path_.c_str(), device_, inode_);
  path_.clear();
  if (pipe_ >= 0) close(std::exchange(pipe_, -1));
  if (const pid_t guard = std::exchange(guard_, -1); guard > 0) waitpid(guard, nullptr, 0);
}

}  // namespace memray
