#include "report_file.h"

#include <fmt/format.h>
#include <memray/reporter.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace memray::cli {
namespace fs = std::filesystem;
namespace {

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

[[noreturn]] void fail(const fs::path& name, int error) {
  throw ReportError(fmt::format("could not write {}: {}", name.string(), std::strerror(error)));
}

}  // namespace

fs::path derived_report_name(const fs::path& capture, const std::string& report, const std::string& suffix,
                             bool whole_name) {
  std::string stem = capture.filename();
  const std::string extension = capture.extension();
  if (!whole_name && !extension.empty() && !is_number(extension.substr(1))) stem.resize(stem.size() - extension.size());
  if (constexpr std::string_view prefix = "memray-"; stem.starts_with(prefix)) stem.erase(0, prefix.size());
  return capture.parent_path() / fmt::format("memray-{}-{}{}", report, stem, suffix);
}

ReportFile::ReportFile(fs::path name, bool force) : name_(std::move(name)) {
  struct stat status {};
  const bool exists = stat(name_.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) fail(name_, EISDIR);
  if (exists && !S_ISREG(status.st_mode)) {
    stream_.open(name_);
    if (!stream_) fail(name_, errno);
    return;
  }
  if (exists && !force) {
    throw ReportError(fmt::format(
        "File already exists, will not overwrite without --force: {} (or choose another name with --output)",
        name_.string()));
  }
  std::error_code error;
  const fs::path target = exists ? fs::canonical(name_, error) : name_;
  std::string temporary = (error ? name_ : target).string() + ".XXXXXX";
  const int fd = mkstemp(temporary.data());
  if (fd < 0) fail(name_, errno);
  const mode_t mask = umask(0);
  umask(mask);
  fchmod(fd, 0666 & ~mask);
  temporary_ = temporary;
  stream_.open(temporary_);
  close(fd);
  if (!stream_) fail(name_, errno);
}

ReportFile::~ReportFile() {
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void ReportFile::commit() {
  errno = 0;
  stream_.close();
  if (!stream_) fail(name_, errno ? errno : EIO);
  if (temporary_.empty()) return;
  std::error_code error;
  const fs::path target = fs::exists(name_, error) ? fs::canonical(name_, error) : name_;
  if (rename(temporary_.c_str(), target.c_str()) != 0) fail(name_, errno);
  temporary_.clear();
}

}  // namespace memray::cli
