#include "client.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace memray {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 5s;

// What may wait for a client beyond the state that its capture begins with.
constexpr std::size_t kMostBehind = std::size_t{16} << 20;

}  // namespace

Client::Client(const Listener::Visitor& visitor, Clock::time_point now)
    : fd_(visitor.fd), trusted_(visitor.trusted), name_(visitor.name), deadline_(now + kPatience) {}

Client::~Client() { ::close(fd_); }

bool Client::send_now(const live::AnswerBytes& answer) const {
  return ::send(fd_, answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL) == static_cast<ssize_t>(answer.size());
}

std::string Client::refuse(std::optional<live::Answer> answer, std::string why) {
  if (answer) send_now(live::answer_bytes(*answer));
  state_ = State::gone;
  return why;
}

std::optional<std::string> Client::greet(Clock::time_point now, const std::string& token, bool full,
                                         RecordingState& recording) {
  std::array<char, live::kRequestSize> bytes;
  const ssize_t count = recv(fd_, bytes.data(), bytes.size() - request_.size(), MSG_DONTWAIT);
  if (count == 0 || (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
    return refuse(std::nullopt, "it left without a greeting");
  if (count > 0) request_.append(bytes.data(), static_cast<std::size_t>(count));
  if (!live::may_be_request(request_)) return refuse(std::nullopt, "it is no client of memray");
  if (request_.size() < live::kRequestSize) {
    if (now < deadline_) return std::nullopt;
    return refuse(std::nullopt, "it has not said what it wants");
  }
  const auto request = live::parse_request(request_);
  if (request->version != live::kVersion)
    return refuse(live::Answer::other_version,
                  fmt::format("it speaks version {} of the protocol, and not {}", request->version, live::kVersion));
  if (!trusted_ && !live::same_token(request->token, token))
    return refuse(live::Answer::wrong_token,
                  request->token.empty() ? "it has no token" : "its token is not the one of this recording");
  if (full) return refuse(live::Answer::too_many, "there are too many clients already");
  if (!send_now(live::answer_bytes(live::Answer::welcome))) return refuse(std::nullopt, "it left without a greeting");
  state_ = State::served;
  begin(recording);
  return std::nullopt;
}

void Client::begin(RecordingState& recording) {
  behind_ = false;
  limit_ = std::size_t(-1);
  stream_ = std::make_unique<CaptureStream>(recording, [this](const Block& block) { add(block); });
  limit_ = outbox_.size() + kMostBehind;
}

// A capture that is left off ends with a whole block.
void Client::add(const Block& block) {
  if (behind_) return;
  outbox_.add(block.bytes);
  behind_ = outbox_.size() > limit_;
}

void Client::skip_if_behind() {
  if (behind_) stream_.reset();
}

void Client::events(std::span<const Event> events) {
  if (!stream_) return;
  stream_->events(events);
  skip_if_behind();
}

void Client::sample(const MemorySample& sample) {
  if (!stream_) return;
  stream_->sample(sample);
  skip_if_behind();
}

void Client::update_metadata(const Metadata& metadata) {
  if (stream_) stream_->update_metadata(metadata);
}

void Client::flush() {
  if (!stream_) return;
  stream_->flush();
  skip_if_behind();
}

// A client has nothing to say; what it says nevertheless is read, a little at a time, to notice when it goes.
void Client::discard_input() {
  std::array<char, 512> ignored;
  const ssize_t count = recv(fd_, ignored.data(), ignored.size(), MSG_DONTWAIT);
  if (count == 0 || (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) state_ = State::gone;
}

void Client::step(RecordingState& recording) {
  discard_input();
  if (state_ == State::served && !outbox_.send(fd_)) state_ = State::gone;
  if (state_ != State::served || stream_ || !outbox_.empty()) return;
  begin(recording);
  if (finish_after_restart_) finish(*std::exchange(finish_after_restart_, std::nullopt));
}

// `stream_` stays: whoever has none is behind.
void Client::finish(const Metadata& metadata) {
  if (!stream_) {
    finish_after_restart_ = metadata;
    return;
  }
  limit_ = std::size_t(-1);
  stream_->finish(metadata);
}

}  // namespace memray
