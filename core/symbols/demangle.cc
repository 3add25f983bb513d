#include "symbols/demangle.h"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>

namespace memray::symbols {

std::string demangle(std::string_view name) {
  std::string text(name);
  if (!is_mangled(text)) return text;
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> readable(
      abi::__cxa_demangle(text.c_str(), nullptr, nullptr, &status), &std::free);
  if (!readable) return text;
  text = readable.get();
  return text.substr(0, text.find(" [clone "));
}

}  // namespace memray::symbols
