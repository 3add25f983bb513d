// What strangers send and users type, for libFuzzer: the greetings of both sides, and addresses. scripts/fuzz.sh runs
// it.

#include <memray/live_protocol.h>

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "live/connection.h"

namespace {

using namespace memray::live;

void require(bool holds) {
  if (!holds) std::abort();
}

// As the server reads it: a few bytes, then more.
void greet(std::string_view bytes) {
  for (std::size_t size = 0; size <= bytes.size() && size <= kRequestSize; ++size)
    require(!may_be_request(bytes) || may_be_request(bytes.substr(0, size)));
  const auto request = parse_request(bytes);
  require(!request || (bytes.size() == kRequestSize && request->token.size() <= kMaxToken));
  if (!request) return;
  const RequestBytes again = request_bytes(*request);
  const auto same = parse_request({again.data(), again.size()});
  require(same && same->version == request->version && same_token(same->token, request->token));
  require(!same_token(request->token, request->token + "x"));
}

void hear(std::string_view bytes) {
  const auto answer = parse_answer(bytes);
  require(!answer || (bytes.size() == kAnswerSize && bytes.starts_with(kMagic)));
}

void understand(std::string_view bytes) try {
  const Address address = parse_address(bytes);
  require(!to_string(address).empty());
} catch (const std::out_of_range&) {
} catch (const std::invalid_argument&) {
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  greet(bytes);
  hear(bytes);
  understand(bytes);
  return 0;
}
