#include "live/watcher.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

namespace memray::live {
namespace {

// Who wants to look waits until so much is read.
constexpr std::size_t kPiece = std::size_t{64} << 10;

}  // namespace

Watcher::Watcher(const Address& address, LiveState::Keep keep) {
  state_.keep_in(std::move(keep));
  start([address](int stop) { return Connection::open(address, stop); });
}

Watcher::Watcher(int fd) {
  start([fd](int stop) { return Connection::adopt(fd, stop); });
}

void Watcher::start(Open open) {
  stop_ = eventfd(0, EFD_CLOEXEC);
  if (stop_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  thread_ = std::jthread([this, open = std::move(open)] { follow(open); });
}

Watcher::~Watcher() {
  eventfd_write(stop_, 1);
  thread_.join();
  close(stop_);
}

std::string Watcher::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

Watcher::Look Watcher::look() {
  ++waiting_;
  std::unique_lock lock(mutex_);
  --waiting_;
  waiting_.notify_all();
  return {std::move(lock), state_};
}

void Watcher::follow(const Open& open) {
  try {
    auto connection = open(stop_);
    if (!connection) {
      status_ = Status::ended;
      return;
    }
    status_ = Status::connected;
    std::vector<std::byte> buffer(kPiece);
    while (connection->wait(stop_)) {
      const auto count = connection->read(buffer);
      if (!count) break;
      feed(std::span(buffer).first(*count));
    }
    status_ = Status::ended;
  } catch (const std::exception& error) {
    const std::lock_guard lock(mutex_);
    problem_ = error.what();
    status_ = Status::refused;
  }
}

// A mutex goes to whoever is quickest, and that is the thread that has just had it: let others go first.
void Watcher::feed(std::span<const std::byte> bytes) {
  for (int waiting = waiting_; waiting != 0; waiting = waiting_) waiting_.wait(waiting);
  const std::lock_guard lock(mutex_);
  state_.feed(bytes);
}

}  // namespace memray::live
