// The file that a report is written to. It appears under its name when complete, or not at all.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace memray::cli {

// memray-<report>-<stem><suffix> beside the capture. The stem is the capture's name without a leading "memray-" and
// without its last extension; a number is no extension, so captures of several processes keep different names.
// With `whole_name` the extension stays.
std::filesystem::path derived_report_name(const std::filesystem::path& capture, const std::string& report,
                                          const std::string& suffix, bool whole_name = false);

class ReportFile {
 public:
  // Throws ReportError if there is a file of that name and `force` is not set, or it cannot be created.
  ReportFile(std::filesystem::path name, bool force);
  ~ReportFile();
  ReportFile(const ReportFile&) = delete;
  ReportFile& operator=(const ReportFile&) = delete;

  std::ostream& stream() { return stream_; }
  const std::filesystem::path& name() const { return name_; }
  void commit();  // throws ReportError

 private:
  std::filesystem::path name_;
  std::filesystem::path temporary_;  // empty: written directly, because it is a device or a pipe
  std::ofstream stream_;
};

}  // namespace memray::cli
