#include "source_excerpt.h"

#include <memray/text.h>
#include <sys/stat.h>

#include <fstream>

namespace memray::tree {

namespace {

constexpr std::size_t kTab = 4;
constexpr std::size_t kLongestLine = 1000;

std::string expand_tabs(std::string_view line) {
  std::string result;
  for (const char c : line) {
    if (c != '\t') {
      result += c;
      continue;
    }
    do result += ' ';
    while (result.size() % kTab != 0);
  }
  return result;
}

bool is_regular(const std::string& name) {
  struct stat file;
  return stat(name.c_str(), &file) == 0 && S_ISREG(file.st_mode);
}

}  // namespace

std::vector<SourceLine> source_excerpt(std::string_view file, std::uint32_t line, std::uint32_t height) {
  const std::string name(file);
  if (line == 0 || height == 0 || name.empty() || !is_regular(name)) return {};
  std::ifstream in(name, std::ios::binary);
  const std::uint32_t first = line > height / 2 ? line - height / 2 : 1;
  std::vector<SourceLine> excerpt;
  bool found = false;
  std::string text;
  for (std::uint32_t number = 1; number < first + height && std::getline(in, text); ++number) {
    if (number < first) continue;
    found |= number == line;
    if (text.ends_with('\r')) text.pop_back();
    excerpt.push_back({number, printable(expand_tabs(std::string_view(text).substr(0, kLongestLine)))});
  }
  if (!found) excerpt.clear();
  return excerpt;
}

}  // namespace memray::tree
