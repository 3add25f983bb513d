#include "http/connection.h"

#include "http/request.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace memray::http {
namespace {

using namespace std::chrono_literals;

// For a request, however slowly it trickles in; for taking a piece of an answer; for a tab that is stopped; for
// closing.
constexpr Clock::duration kToAsk = 3s, kToTake = 10s, kToFollow = 60s, kToLeave = 2s;

constexpr std::string_view kEnd = "\r\n\r\n";
constexpr std::size_t kPiece = 16384;

}  // namespace

Connection::~Connection() { close(); }

// Who is being answered is not listened to, or what else it sends would wake us all the time.
short Connection::wanted() const {
  if (stage_ == Stage::answering) return POLLOUT;
  return static_cast<short>(sending_ ? POLLIN | POLLOUT : POLLIN);
}

std::optional<std::string> Connection::read(Clock::time_point now) {
  if (stage_ == Stage::answering) return std::nullopt;
  char bytes[kPiece];
  const ssize_t count = recv(fd_, bytes, sizeof bytes, 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
  if (count <= 0 || stage_ == Stage::streaming) return close(), std::nullopt;  // nothing more is expected
  if (stage_ != Stage::asking) return std::nullopt;
  head_.append(bytes, static_cast<std::size_t>(count));
  const auto end = head_.find(kEnd);
  if (end == std::string::npos && head_.size() <= kMaxHead) return std::nullopt;
  moved_ = now;
  if (end == std::string::npos || end + kEnd.size() > kMaxHead) return std::string();
  head_.resize(end + kEnd.size());
  return std::exchange(head_, {});
}

void Connection::answer(std::string text) {
  sending_ = std::make_shared<const std::string>(std::move(text));
  sent_ = 0;
  stage_ = Stage::answering;
}

void Connection::begin_stream(std::string text, std::string topic) {
  answer(std::move(text));
  stage_ = Stage::streaming;
  topic_ = std::move(topic);
}

void Connection::publish(const Text& event) { (sending_ ? next_ : sending_) = event; }

void Connection::write(Clock::time_point now) {
  while (sending_) {
    const ssize_t count = send(fd_, sending_->data() + sent_, sending_->size() - sent_, MSG_NOSIGNAL);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count < 0) return close();
    moved_ = now;
    sent_ += static_cast<std::size_t>(count);
    if (sent_ < sending_->size()) continue;
    sending_ = std::exchange(next_, {});
    sent_ = 0;
    if (stage_ == Stage::answering) return leave();
  }
}

// Closing while something unread is there would take the answer away from the other end.
void Connection::leave() {
  shutdown(fd_, SHUT_WR);
  stage_ = Stage::leaving;
}

void Connection::look_at_clock(Clock::time_point now) {
  const Clock::duration silent = now - moved_;
  const bool over = stage_ == Stage::asking      ? silent > kToAsk
                    : stage_ == Stage::answering ? silent > kToTake
                    : stage_ == Stage::leaving   ? silent > kToLeave
                                                 : sending_ && silent > kToFollow;
  if (over) close();
}

void Connection::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  stage_ = Stage::closed;
}

}  // namespace memray::http
