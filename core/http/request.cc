#include "http/request.h"

#include <memray/live_protocol.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>
#include <vector>

namespace memray::http {
namespace {

constexpr Refusal kMalformed = {400, "This is no request that memray understands."};

struct Header {
  std::string name;  // in small letters
  std::string_view value;
};

struct Head {
  std::string_view method, target;
  std::vector<Header> headers;
};

bool is_token_character(char c) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || kOthers.find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_token_character); }

bool is_control(char c) { return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7f'; }

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// Up to `end`, which is taken away with it.
std::optional<std::string_view> take(std::string_view& text, std::string_view end) {
  const auto at = text.find(end);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at + end.size());
  return taken;
}

std::optional<Header> parse_header(std::string_view line) {
  const auto name = take(line, ":");
  if (!name || !is_token(*name)) return std::nullopt;
  Header header{std::string(*name), trim(line)};
  std::ranges::transform(header.name, header.name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return header;
}

std::optional<Head> parse(std::string_view text) {
  Head head;
  auto line = take(text, "\r\n");
  if (!line) return std::nullopt;
  const auto method = take(*line, " ");
  const auto target = take(*line, " ");
  if (!method || !target || !is_token(*method) || (*line != "HTTP/1.1" && *line != "HTTP/1.0")) return std::nullopt;
  head.method = *method;
  head.target = *target;
  if (!target->starts_with('/') || std::ranges::any_of(*target, is_control)) return std::nullopt;
  for (line = take(text, "\r\n"); line && !line->empty(); line = take(text, "\r\n")) {
    const auto header = parse_header(*line);
    if (!header || std::ranges::any_of(*line, is_control)) return std::nullopt;
    head.headers.push_back(*header);
  }
  return line && text.empty() ? std::optional(head) : std::nullopt;
}

// Of the headers with this name; nothing if there is none.
std::optional<std::string_view> value(const Head& head, std::string_view name) {
  for (const Header& header : head.headers)
    if (header.name == name) return header.value;
  return std::nullopt;
}

bool repeated(const Head& head, std::string_view name) {
  return std::ranges::count(head.headers, name, &Header::name) > 1;
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c) != 0; });
}

bool is_this_machine(std::string_view host) {
  for (const std::string_view name : {"127.0.0.1", "localhost", "[::1]"}) {
    if (!host.starts_with(name)) continue;
    const std::string_view rest = host.substr(name.size());
    return rest.empty() || (rest.starts_with(':') && is_port(rest.substr(1)));
  }
  return false;
}

bool has_body(const Head& head) {
  return value(head, "transfer-encoding") || value(head, "content-length").value_or("0") != "0";
}

std::optional<Refusal> reason_against(const Head& head) {
  for (const std::string_view name : {"host", "origin", "sec-fetch-site", "content-length"})
    if (repeated(head, name)) return kMalformed;
  if (head.method != "GET") return Refusal{405, "Only GET is answered here."};
  if (has_body(head)) return kMalformed;
  const std::string_view host = value(head, "host").value_or("");
  if (!is_this_machine(host)) return Refusal{421, "This server answers to 127.0.0.1 and localhost only."};
  const auto origin = value(head, "origin");
  if (origin && *origin != "http://" + std::string(host)) return Refusal{403, "Another site asks: that is refused."};
  const std::string_view site = value(head, "sec-fetch-site").value_or("none");
  if (site != "none" && site != "same-origin")
    return Refusal{
        403, "Another site asks: that is refused. Put the address that memray live has printed into the address bar."};
  return std::nullopt;
}

Request request_of(std::string_view target) {
  Request request;
  const auto path = take(target, "?");
  request.path = path.value_or(target);
  if (!path) return request;
  target = target.substr(0, target.find('#'));
  while (!target.empty()) {
    const auto first = take(target, "&");
    std::string_view parameter = first ? *first : std::exchange(target, {});
    const auto name = take(parameter, "=");
    if (name) request.query.try_emplace(std::string(*name), parameter);
  }
  return request;
}

}  // namespace

std::string Request::parameter(std::string_view name) const {
  const auto found = query.find(name);
  return found == query.end() ? std::string() : found->second;
}

std::variant<Request, Refusal> admit(std::string_view head, std::string_view token) {
  const auto parsed = parse(head);
  if (!parsed) return kMalformed;
  if (const auto refusal = reason_against(*parsed)) return *refusal;
  Request request = request_of(parsed->target);
  if (token.empty() || !live::same_token(request.parameter("token"), token))
    return Refusal{403, "The token is missing or wrong: open the whole address that memray live has printed."};
  return request;
}

std::string_view status_text(int status) {
  constexpr std::array<std::pair<int, std::string_view>, 9> kTexts = {{{200, "200 OK"},
                                                                       {400, "400 Bad Request"},
                                                                       {403, "403 Forbidden"},
                                                                       {404, "404 Not Found"},
                                                                       {405, "405 Method Not Allowed"},
                                                                       {421, "421 Misdirected Request"},
                                                                       {431, "431 Request Header Fields Too Large"},
                                                                       {500, "500 Internal Server Error"},
                                                                       {503, "503 Service Unavailable"}}};
  for (const auto& [number, text] : kTexts)
    if (number == status) return text;
  return "500 Internal Server Error";
}

}  // namespace memray::http
