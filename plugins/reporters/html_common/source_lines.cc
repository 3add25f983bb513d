#include "html_common/source_lines.h"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <iterator>

namespace memray::html {

namespace {

constexpr off_t kLargestFile = 16 << 20;
constexpr std::size_t kLongestLine = 160;

bool may_show(std::string_view name, const struct stat& file, Confidential confidential) {
  if (confidential == Confidential::none) return true;
  constexpr mode_t kOpen = S_IXUSR | S_IXGRP | S_IXOTH | S_IROTH;
  return name.ends_with(".py") || (file.st_mode & kOpen) != 0;
}

std::string_view trimmed(std::string_view line) {
  const std::size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  line = line.substr(begin, line.find_last_not_of(" \t\r") + 1 - begin);
  if (line.size() <= kLongestLine) return line;
  std::size_t end = kLongestLine;
  while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xc0) == 0x80) --end;
  return line.substr(0, end);
}

}  // namespace

SourceLines::File SourceLines::read(const std::string& name) {
  struct stat file;
  if (stat(name.c_str(), &file) != 0 || !S_ISREG(file.st_mode) || file.st_size > kLargestFile) return {};
  if (!may_show(name, file, confidential_)) return {};
  const std::int64_t changed = std::int64_t{file.st_mtim.tv_sec} * 1'000'000'000 + file.st_mtim.tv_nsec;
  if (changed > recorded_ns_) {
    ++changed_files_;
    return {};
  }
  std::ifstream in(name, std::ios::binary);
  File content{{std::istreambuf_iterator<char>(in), {}}, {0}};
  for (std::size_t at = content.text.find('\n'); at != std::string::npos; at = content.text.find('\n', at + 1)) {
    content.begin.push_back(at + 1);
  }
  return content;
}

std::string_view SourceLines::line(std::string_view file, std::uint32_t line) {
  if (confidential_ == Confidential::all || file.empty() || file.front() == '<' || line == 0) return {};
  const auto [place, fresh] = files_.try_emplace(std::string(file));
  if (fresh) place->second = read(place->first);
  const File& content = place->second;
  if (line > content.begin.size()) return {};
  const std::size_t begin = content.begin[line - 1];
  return trimmed(std::string_view(content.text).substr(begin, content.text.find('\n', begin) - begin));
}

}  // namespace memray::html
