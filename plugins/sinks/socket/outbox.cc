#include "outbox.h"

#include <sys/socket.h>

#include <cerrno>

namespace memray {

void Outbox::add(std::span<const std::byte> bytes) {
  parts_.emplace_back(bytes.begin(), bytes.end());
  size_ += bytes.size();
}

bool Outbox::send(int fd) {
  while (!parts_.empty()) {
    const std::span<const std::byte> rest = std::span(parts_.front()).subspan(sent_);
    const ssize_t count = ::send(fd, rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    size_ -= static_cast<std::size_t>(count);
    sent_ += static_cast<std::size_t>(count);
    if (sent_ < parts_.front().size()) continue;
    parts_.pop_front();
    sent_ = 0;
  }
  return true;
}

}  // namespace memray
