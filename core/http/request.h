// What somebody asks the server for, and whether they may.
//
// Any page in any tab of the user's browser can make it send requests to 127.0.0.1, and any program on the machine can
// send some itself. So a request is refused unless it is plainly from our own page:
//
// - It has the token, which is in the address that was printed, and which no other page knows.
// - It was meant for a name of this machine itself. A page whose name was made to point to 127.0.0.1 (DNS rebinding)
//   says its own name in `Host`. The port does not matter: ssh -L may have changed it.
// - Where the browser says who asks (`Origin`, `Sec-Fetch-Site`), that is this server, or the user who typed the
//   address. A link on another page does not open it.
// - It only reads: GET, without a body.
//
// The token is looked at last, so others learn nothing about it. Values are not percent-decoded: none of ours needs it.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>

namespace memray::http {

struct Request {
  std::string path;
  std::map<std::string, std::string, std::less<>> query;

  // The value of a parameter; empty where there is none.
  std::string parameter(std::string_view name) const;
};

struct Refusal {
  int status = 0;
  std::string_view why;  // a sentence for whoever sees it
};

constexpr std::size_t kMaxHead = 16384;  // bytes

// `head` is all up to and with the empty line.
std::variant<Request, Refusal> admit(std::string_view head, std::string_view token);

// "403 Forbidden"
std::string_view status_text(int status);

}  // namespace memray::http
