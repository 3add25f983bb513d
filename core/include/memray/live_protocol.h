// How a client and a recording that is served while it is made (--sink=socket) greet each other. docs/live.md has the
// whole protocol.
//
//   client   "MRAYLIVE"  u16 version  6 bytes of 0  32 bytes: the token, filled up with 0
//   server   "MRAYLIVE"  u16 version  u16 answer    4 bytes of 0     then, if welcome, a capture, as in a file
//
// Both are of fixed size, so nothing that a stranger sends says how much is to be read.
#pragma once

#include <sys/random.h>
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace memray::live {

inline constexpr std::string_view kMagic = "MRAYLIVE";
inline constexpr std::uint16_t kVersion = 1;
inline constexpr std::size_t kMaxToken = 32;
inline constexpr std::size_t kRequestSize = 48;
inline constexpr std::size_t kAnswerSize = 16;
inline constexpr auto kTokenVariable = "MEMRAY_LIVE_TOKEN";

using RequestBytes = std::array<char, kRequestSize>;
using AnswerBytes = std::array<char, kAnswerSize>;

struct Request {
  std::uint16_t version = kVersion;
  std::string token;
};

enum class Answer : std::uint16_t {
  welcome = 0,
  other_version = 1,  // the version in the answer is the one that the server speaks
  wrong_token = 2,
  too_many = 3,  // clients
};

struct AnswerMessage {
  std::uint16_t version = kVersion;
  Answer answer = Answer::welcome;
};

namespace detail {
inline void put(char* at, std::uint16_t value) {
  at[0] = static_cast<char>(value & 0xff);
  at[1] = static_cast<char>(value >> 8);
}
inline std::uint16_t get(const char* at) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(at[0]) | static_cast<unsigned char>(at[1]) << 8);
}
}  // namespace detail

// Longer tokens are cut.
inline RequestBytes request_bytes(const Request& request) {
  RequestBytes bytes{};
  kMagic.copy(bytes.data(), kMagic.size());
  detail::put(bytes.data() + 8, request.version);
  request.token.copy(bytes.data() + 16, kMaxToken);
  return bytes;
}

// Whether these first bytes can still become a request.
inline bool may_be_request(std::string_view bytes) {
  return bytes.substr(0, kMagic.size()) == kMagic.substr(0, bytes.size());
}

// Nothing if it is none.
inline std::optional<Request> parse_request(std::string_view bytes) {
  if (bytes.size() != kRequestSize || !may_be_request(bytes)) return std::nullopt;
  const std::string_view token = bytes.substr(16);
  return Request{detail::get(bytes.data() + 8), std::string(token.substr(0, token.find('\0')))};
}

inline AnswerBytes answer_bytes(Answer answer) {
  AnswerBytes bytes{};
  kMagic.copy(bytes.data(), kMagic.size());
  detail::put(bytes.data() + 8, kVersion);
  detail::put(bytes.data() + 10, static_cast<std::uint16_t>(answer));
  return bytes;
}

inline std::optional<AnswerMessage> parse_answer(std::string_view bytes) {
  if (bytes.size() != kAnswerSize || !bytes.starts_with(kMagic)) return std::nullopt;
  return AnswerMessage{detail::get(bytes.data() + 8), static_cast<Answer>(detail::get(bytes.data() + 10))};
}

// Takes as long whichever characters differ.
inline bool same_token(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) difference |= static_cast<unsigned>(a[i] ^ b[i]);
  return difference == 0;
}

// 128 random bits, in hexadecimal; empty where the system has none.
inline std::string random_token() {
  unsigned char bytes[16];
  if (getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) return {};
  std::string token;
  for (const unsigned char byte : bytes) {
    token += "0123456789abcdef"[byte >> 4];
    token += "0123456789abcdef"[byte & 15];
  }
  return token;
}

// Name, in the abstract name space, of the Unix socket that is served beside a TCP port, for processes of the same
// user.
inline std::string local_name(std::uint16_t port) { return "memray-live-" + std::to_string(port); }

}  // namespace memray::live
