// Command line parsing: CLI11, and the three things that it leaves to us.
//
// Long options may be abbreviated as long as they stay unambiguous. A command that runs a program takes options only
// up to the program, whose own arguments are nobody else's business. Mistakes end with exit code 2 and the usage line.
#pragma once

#include "cli.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <optional>

namespace memray::cli {

// A command with -h, a usage line ("memray run [options] script [args]") and help in our layout.
class Command : public CLI::App {
 public:
  Command(const std::string& description, std::string usage);

  // Returns false if help was asked for and has been printed. Throws UsageError.
  bool read(const Arguments& arguments);

  // How many of `arguments` are this command's: up to the first that is neither an option nor an option's value, up to
  // and including "--", or up to the value of an option named in `last`.
  std::size_t options_end(const Arguments& arguments, const std::string& last) const;

  const std::string& usage() const { return usage_line_; }

 private:
  const CLI::Option* find_option(const std::string& name) const;
  std::string complete(const std::string& argument) const;

  std::string usage_line_;
};

}  // namespace memray::cli
