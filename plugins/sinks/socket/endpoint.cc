#include "endpoint.h"

#include <charconv>
#include <limits>

namespace memray {
namespace {

template <typename Number>
bool parse_number(const std::string& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

Status parse_port(const std::string& text, std::uint16_t& port) {
  int number = 0;
  if (!parse_number(text, number))
    return Status::error("--sink=socket takes [HOST:]PORT or unix:PATH, and '" + text + "' is no port");
  if (number < 0 || number > std::numeric_limits<std::uint16_t>::max())
    return Status::error("Invalid port: " + text + " is not between 1 and 65535");
  port = static_cast<std::uint16_t>(number);
  return {};
}

}  // namespace

Status parse_endpoint(const std::string& text, Endpoint& endpoint) {
  if (text.empty()) return {};
  if (text.starts_with("unix:")) {
    endpoint.kind = Endpoint::Kind::unix_path;
    endpoint.path = text.substr(5);
    return endpoint.path.empty() ? Status::error("--sink=socket:unix: needs the path of the socket") : Status();
  }
  if (text.starts_with("fd:")) {
    endpoint.kind = Endpoint::Kind::descriptor;
    return parse_number(text.substr(3), endpoint.fd) ? Status() : Status::error("--sink=socket:fd: needs a number");
  }
  const auto colon = text.rfind(':');
  if (colon == text.npos) return parse_port(text, endpoint.port);
  endpoint.host = text.substr(0, colon);
  if (endpoint.host.size() > 2 && endpoint.host.front() == '[' && endpoint.host.back() == ']')
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
  if (endpoint.host == "localhost") endpoint.host = "127.0.0.1";
  return parse_port(text.substr(colon + 1), endpoint.port);
}

}  // namespace memray
