// Blocks on their way to a client that may be slow.
#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <vector>

namespace memray {

class Outbox {
 public:
  void add(std::span<const std::byte> bytes);
  // As much as the socket takes now. False if the client is gone.
  bool send(int fd);

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

 private:
  std::deque<std::vector<std::byte>> parts_;
  std::size_t sent_ = 0;  // of the first part
  std::size_t size_ = 0;
};

}  // namespace memray
