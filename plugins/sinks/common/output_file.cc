#include "output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace memray {
namespace {

Status cannot_create(const std::string& name, int error) {
  return Status::error(fmt::format("could not create output file {}: {}", name, std::strerror(error)));
}

std::string follow_links(const std::string& name) {
  char* real = realpath(name.c_str(), nullptr);
  std::string result = real ? real : name;
  std::free(real);
  return result;
}

constexpr mode_t kMode = 0644;

}  // namespace

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status OutputFile::open(const std::string& name, bool force) {
  name_ = name;
  final_ = name;
  struct stat status {};
  const bool exists = stat(name.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) return cannot_create(name, EISDIR);
  if (exists && !S_ISREG(status.st_mode)) {
    regular_ = false;
    fd_ = ::open(name.c_str(), O_WRONLY | O_CLOEXEC);
    return fd_ < 0 ? cannot_create(name, errno) : Status();
  }
  if (exists && force) {
    final_ = follow_links(name);
    if (access(final_.c_str(), W_OK) != 0) return cannot_create(name, errno);
    return begin_temporary();
  }
  fd_ = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kMode);
  if (fd_ >= 0) return {};
  if (errno == EEXIST) {
    return Status::error(fmt::format(
        "output file {} already exists; overwrite it with -f (--force), from Python with overwrite=True", name));
  }
  return cannot_create(name, errno);
}

Status OutputFile::begin_temporary() {
  std::string temporary = final_ + ".XXXXXX";
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return cannot_create(name_, errno);
  const mode_t mask = umask(0);
  umask(mask);
  fchmod(fd, kMode & ~mask);
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
  size_ = 0;
  temporary_ = std::move(temporary);
  return {};
}

void OutputFile::drop_temporary() {
  unlink(temporary_.c_str());
  temporary_.clear();
  ::close(fd_);
  fd_ = -1;
}

Status OutputFile::publish() {
  if (temporary_.empty()) return {};
  if (rename(temporary_.c_str(), final_.c_str()) != 0) return cannot_create(name_, errno);
  temporary_.clear();
  return {};
}

Status OutputFile::write_all(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    } else if (written == 0 || errno != EINTR) {
      return write_failed(written == 0 ? ENOSPC : errno);
    }
  }
  return {};
}

Status OutputFile::write(std::span<const std::byte> bytes) {
  Status status = write_all(bytes);
  if (status) {
    size_ += bytes.size();
  } else if (regular_ && ftruncate(fd_, static_cast<off_t>(size_)) == 0) {
    lseek(fd_, static_cast<off_t>(size_), SEEK_SET);
  }
  return status;
}

Status OutputFile::rewrite(const std::function<Status(const std::string&)>& write_new) {
  if (!regular_) return write_new(final_);
  if (temporary_.empty())
    if (auto status = begin_temporary(); !status) return status;
  Status status = write_new(final_);
  if (status) status = publish();
  if (!status) drop_temporary();
  return status;
}

// The descriptor still leads to what was written. Nothing is done to a file that took the name.
Status OutputFile::restore() {
  const auto lost = [&](int error) {
    return Status::error(
        fmt::format("{} was removed while recording, and could not be written again: {}", name_, std::strerror(error)));
  };
  const int from = ::open(fmt::format("/proc/self/fd/{}", fd_).c_str(), O_RDONLY | O_CLOEXEC);
  if (from < 0) return lost(errno);
  const int to = ::open(final_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kMode);
  if (to < 0) {
    const int error = errno;
    ::close(from);
    return lost(error);
  }
  ::close(fd_);
  fd_ = to;
  size_ = 0;
  Status status;
  std::vector<std::byte> part(std::size_t{1} << 20);
  ssize_t count = 0;
  while (status && (count = ::read(from, part.data(), part.size())) > 0)
    status = write(std::span(part).first(static_cast<std::size_t>(count)));
  if (status && count < 0) status = lost(errno);
  ::close(from);
  return status;
}

Status OutputFile::close() {
  if (fd_ < 0) return {};
  if (!temporary_.empty()) {
    drop_temporary();
    return {};
  }
  struct stat status {};
  if (regular_ && fstat(fd_, &status) == 0 && status.st_nlink == 0)
    if (auto restored = restore(); !restored) return restored;
  const int result = ::close(fd_);
  fd_ = -1;
  return result == 0 ? Status() : write_failed(errno);
}

void OutputFile::discard() {
  if (fd_ < 0) return;
  if (regular_) unlink(temporary_.empty() ? final_.c_str() : temporary_.c_str());
  ::close(fd_);
  fd_ = -1;
}

Status OutputFile::write_failed(int error) const {
  return Status::error(fmt::format("could not write to {}: {}", name_, std::strerror(error)));
}

}  // namespace memray
