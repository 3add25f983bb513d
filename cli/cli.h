// What the files of the command share: where it is installed, how it fails, and its subcommands.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace memray::cli {

enum ExitCode : int { kSuccess = 0, kFailure = 1, kUsage = 2 };

using Arguments = std::vector<std::string>;

// Wrong arguments: shown below the usage line of the command, exit code 2.
class UsageError : public std::runtime_error {
 public:
  explicit UsageError(const std::string& message, std::string usage = {})
      : std::runtime_error(message), usage_(std::move(usage)) {}
  const std::string& usage() const { return usage_; }

 private:
  std::string usage_;
};

// It cannot be done: the message is shown alone, exit code 1.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Installation {
  std::filesystem::path libdir;  // <libdir>/memray
  std::vector<std::filesystem::path> plugin_path;
  int verbosity = 0;
  Arguments python;  // the interpreter, with its options, from which the command was started; empty: from elsewhere

  std::filesystem::path recorder() const { return libdir / "libmemray-recorder.so"; }
};

// What a reporter plugin is called, and where.
struct ReportName {
  std::string plugin;   // that plugin_names() has
  std::string command;  // what users type: "summary", "transform csv"
  std::string file;     // in names of report files: memray-<file>-...
};

// Reporters that users can ask for by one word. Formats of `transform` are known without what they begin with.
std::vector<std::string> report_names(const Installation& installation);
// Throws UsageError if there is no such report.
ReportName find_report(const Installation& installation, const std::string& name, const std::string& usage);

// The one that this executable belongs to: installed, or a build tree, which has the same shape.
Installation find_installation();

int run_command(const Installation& installation, const Arguments& arguments);
int attach_command(const Installation& installation, const Arguments& arguments);
int detach_command(const Installation& installation, const Arguments& arguments);
int collect_command(const Installation& installation, const Arguments& arguments);
int live_command(const Installation& installation, const Arguments& arguments);
int plugins_command(const Installation& installation, const Arguments& arguments);
int transform_command(const Installation& installation, const Arguments& arguments);
// `force`: as if it were among the arguments, for reports that know it.
int report_command(const Installation& installation, const ReportName& name, const Arguments& arguments,
                   bool force = false);

}  // namespace memray::cli
