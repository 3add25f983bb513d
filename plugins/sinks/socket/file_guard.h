// A socket in the file system that does not outlive its server, not even one that is killed.
//
// The kernel leaves the file of a Unix socket behind. So a process of a few pages, which does nothing else, waits for
// the end of a pipe that only the server holds open, and removes the file if it is still the same.
#pragma once

#include <sys/types.h>
#include <string>

namespace memray {

class FileGuard {
 public:
  FileGuard() = default;
  ~FileGuard() { release(); }
  FileGuard(const FileGuard&) = delete;
  FileGuard& operator=(const FileGuard&) = delete;

  void protect(const std::string& path);
  // Removes the file, and the guard ends.
  void release();

 private:
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  pid_t guard_ = -1;
  int pipe_ = -1;
};

}  // namespace memray
