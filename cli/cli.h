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

// The one that this executable belongs to: installed, or a build tree, which has the same shape.
Installation find_installation();

int run_command(const Installation& installation, const Arguments& arguments);
int collect_command(const Installation& installation, const Arguments& arguments);
int plugins_command(const Installation& installation, const Arguments& arguments);
// `name` is a reporter that plugin_names() has.
int report_command(const Installation& installation, const std::string& name, const Arguments& arguments);

}  // namespace memray::cli
