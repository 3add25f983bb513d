#include "symbols/symbol_cache.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <system_error>

namespace memray::symbols {

namespace {

namespace fs = std::filesystem;

constexpr auto kFirstLine = "memray symbols 1";
constexpr std::size_t kMostFiles = 256;
constexpr std::size_t kMostPlaces = 20'000;
constexpr std::size_t kShortestBuildId = 16;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

// With another user's home, as sudo leaves it, files would be left there that they cannot change.
bool belongs_to_us(const fs::path& folder) {
  struct stat status {};
  return folder.is_absolute() && stat(folder.c_str(), &status) == 0 && status.st_uid == geteuid();
}

fs::path folder() {
  if (const std::string own = variable("MEMRAY_SYMBOL_CACHE"); !own.empty())
    return own == "off" ? fs::path() : fs::path(own);
  if (const fs::path cache = variable("XDG_CACHE_HOME"); belongs_to_us(cache)) return cache / "memray" / "symbols";
  const fs::path home = variable("HOME");
  return belongs_to_us(home) ? home / ".cache" / "memray" / "symbols" : fs::path();
}

// Nobody else's word is taken.
bool is_own(const fs::path& file) {
  struct stat status {};
  return lstat(file.c_str(), &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid();
}

// The fields of a line, which have no tabs.
std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields;
  for (std::size_t start = 0; start <= line.size();) {
    const std::size_t end = std::min(line.find('\t', start), line.size());
    fields.push_back(line.substr(start, end - start));
    start = end + 1;
  }
  return fields;
}

template <typename Number>
bool read_number(const std::string& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool is_writable(const std::string& text) { return text.find_first_of("\t\n") == text.npos; }

void make_room(const fs::path& folder) {
  std::error_code error;
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
    files.emplace_back(entry.last_write_time(error), entry.path());
  if (files.size() < kMostFiles) return;
  std::ranges::sort(files);
  files.resize(files.size() - kMostFiles / 2);
  for (const auto& [time, path] : files) fs::remove(path, error);
}

}  // namespace

SymbolCache::SymbolCache(const std::string& path, const std::string& build_id) : path_(path), build_id_(build_id) {
  const bool is_name =
      build_id.size() >= kShortestBuildId && build_id.find_first_not_of("0123456789abcdef") == build_id.npos;
  if (const fs::path below = folder(); is_name && !below.empty()) file_ = below / build_id;
  if (file_.empty()) return;
  keeps_names_ = keeps_names();
  load();
}

bool SymbolCache::keeps_names() const {
  const bool is_system = std::ranges::any_of(std::vector<std::string>{"/usr/lib", "/usr/bin/", "/lib", "/bin/"},
                                             [&](const std::string& start) { return path_.starts_with(start); });
  const fs::path debug =
      fs::path("/usr/lib/debug/.build-id") / build_id_.substr(0, 2) / (build_id_.substr(2) + ".debug");
  return is_system && variable("DEBUGINFOD_URLS").empty() && access(debug.c_str(), F_OK) != 0;
}

void SymbolCache::load() {
  if (!is_own(file_)) return;
  std::ifstream in(file_);
  std::string line;
  if (!std::getline(in, line) || line != kFirstLine) return;
  while (std::getline(in, line)) {
    if (!read_line(line)) return places_.clear();
  }
}

// An offset, and three fields for each function: name, file ("" for the file itself) and line.
bool SymbolCache::read_line(const std::string& line) {
  const std::vector<std::string> fields = fields_of(line);
  std::uint64_t offset = 0;
  if (fields.size() < 4 || fields.size() % 3 != 1 || !read_number(fields[0], offset)) return false;
  std::vector<Function> functions;
  for (std::size_t i = 1; i < fields.size(); i += 3) {
    Function& function = functions.emplace_back(Function{fields[i], fields[i + 1].empty() ? path_ : fields[i + 1], 0});
    if (!read_number(fields[i + 2], function.line)) return false;
  }
  if (functions.back().line != 0 || keeps_names_) places_.emplace(offset, std::move(functions));
  return true;
}

const std::vector<Function>* SymbolCache::find(std::uint64_t offset) const {
  const auto found = places_.find(offset);
  return found != places_.end() ? &found->second : nullptr;
}

void SymbolCache::add(std::uint64_t offset, const std::vector<Function>& functions) {
  if (file_.empty() || functions.empty() || places_.size() >= kMostPlaces) return;
  if (functions.back().line == 0 && !keeps_names_) return;
  if (!std::ranges::all_of(functions, [](const Function& f) { return is_writable(f.name) && is_writable(f.file); }))
    return;
  changed_ |= places_.emplace(offset, functions).second;
}

void SymbolCache::save() const {
  if (!changed_) return;
  std::error_code error;
  fs::create_directories(file_.parent_path(), error);
  if (!error && !fs::exists(file_, error)) make_room(file_.parent_path());
  std::string text = std::string(kFirstLine) + '\n';
  for (const auto& [offset, functions] : places_) {
    text += fmt::format("{}", offset);
    for (const Function& f : functions)
      text += fmt::format("\t{}\t{}\t{}", f.name, f.file == path_ ? "" : f.file, f.line);
    text += '\n';
  }
  std::string temporary = file_.string() + ".XXXXXX";
  const int fd = mkstemp(temporary.data());
  if (fd < 0) return;
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  if (!written || rename(temporary.c_str(), file_.c_str()) != 0) unlink(temporary.c_str());
}

}  // namespace memray::symbols
