// The process may be in a container whose inside is not to be trusted: links in it could lead out of it, since a path
// through /proc/PID/root follows them as if they were ours. So the folder for temporary files is opened with its links
// resolved inside the container (openat2), and all else is done relative to descriptors. The folder that is made there
// is the user's of the process alone, with a name that nobody can guess.
#include "attach/script_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace memray::attach {

namespace {

constexpr const char* kFolders[] = {"/tmp", "/var/tmp", "/dev/shm"};

int open_inside(int root, const char* folder) {
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(syscall(SYS_openat2, root, folder, &how, sizeof how));
}

std::string random_name() {
  std::uint64_t number = 0;
  if (getrandom(&number, sizeof number, 0) != sizeof number) throw AttachError("this system has no random numbers");
  return fmt::format("memray-attach-{:016x}", number);
}

}  // namespace

ScriptFolder::ScriptFolder(pid_t pid) : pid_(pid), name_(random_name()) {
  struct stat status {};
  const int root = open(fmt::format("/proc/{}/root", pid).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0 || stat(fmt::format("/proc/{}", pid).c_str(), &status) != 0) throw AttachError(why_not_permitted(pid));
  user_ = status.st_uid;
  group_ = status.st_gid;
  bool made = false;
  for (const char* folder : kFolders) {
    if ((made = make_in(root, folder))) break;
  }
  close(root);
  if (!made) {
    throw AttachError(
        fmt::format("process {} has no folder for a script: none of /tmp, /var/tmp, /dev/shm can be written to", pid));
  }
}

bool ScriptFolder::make_in(int root, const char* folder) {
  parent_ = open_inside(root, folder);
  if (parent_ < 0) return false;
  if (mkdirat(parent_, name_.c_str(), 0700) == 0) {
    folder_ = openat(parent_, name_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    path_ = fmt::format("{}/{}", folder, name_);
    if (folder_ >= 0 && (user_ == geteuid() || fchown(folder_, user_, group_) == 0)) return true;
    unlinkat(parent_, name_.c_str(), AT_REMOVEDIR);
    if (folder_ >= 0) close(folder_);
    folder_ = -1;
  }
  close(parent_);
  parent_ = -1;
  return false;
}

ScriptFolder::~ScriptFolder() {
  for (const char* name : {"script.py", "socket"}) unlinkat(folder_, name, 0);
  unlinkat(parent_, name_.c_str(), AT_REMOVEDIR);
  close(folder_);
  close(parent_);
}

void ScriptFolder::give(const char* name) {
  if (user_ != geteuid() && fchownat(folder_, name, user_, group_, AT_SYMLINK_NOFOLLOW) != 0)
    throw AttachError(fmt::format("a script cannot be handed to process {}: {}", pid_, std::strerror(errno)));
}

int ScriptFolder::listen() {
  const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  *fmt::format_to_n(address.sun_path, sizeof address.sun_path - 1, "/proc/self/fd/{}/socket", folder_).out = '\0';
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::listen(fd, 1) != 0) {
    const int why = errno;
    if (fd >= 0) close(fd);
    throw AttachError(fmt::format("no socket can be made for process {}: {}", pid_, std::strerror(why)));
  }
  give("socket");
  return fd;
}

void ScriptFolder::write_script(const std::string& text) {
  const int fd = openat(folder_, "script.py", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  const bool written = fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (fd >= 0) close(fd);
  if (!written)
    throw AttachError(fmt::format("a script cannot be handed to process {}: {}", pid_, std::strerror(errno)));
  give("script.py");
}

}  // namespace memray::attach
