// The two sides of a reporter plugin's conversation with the command line: what it declares, and what it is given.
#pragma once

#include "arguments.h"
#include "progress.h"
#include "report_file.h"

#include <memray/reporter.h>

#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <streambuf>

namespace memray::cli {

// One option of a reporter, with its value after parsing.
struct DeclaredOption {
  CLI::Option* option = nullptr;
  bool flag = false;
  std::int64_t integer = 0;
  std::string text;
};

class DeclaredOptions final : public ReporterOptions {
 public:
  explicit DeclaredOptions(Command& command) : command_(command) {}

  void flag(std::string_view name, char short_name, std::string_view help) override;
  void integer(std::string_view name, char short_name, std::int64_t default_value, std::int64_t min, std::int64_t max,
               std::string_view help) override;
  void text(std::string_view name, char short_name, std::string_view default_value, std::string_view help) override;
  void choice(std::string_view name, char short_name, std::vector<std::string> values, std::string_view default_value,
              std::string_view help) override;
  void exclusive(std::vector<std::string> names) override { exclusive_.push_back(std::move(names)); }
  void views() override;
  void output_file(std::string_view suffix) override;
  void output_file_of_whole_name(std::string_view suffix) override;
  void captures(std::size_t min, std::size_t max) override;

  Selection selection() const;
  void force();  // as if -f had been given, if there is such an option

  // After the reporter has declared: adds the captures, links options that exclude each other.
  void complete();

  const DeclaredOption& get(std::string_view name) const;
  bool has(std::string_view name) const { return options_.find(name) != options_.end(); }
  const std::vector<std::string>& capture_files() const { return capture_files_; }
  const std::string& output_suffix() const { return output_suffix_; }
  bool output_of_whole_name() const { return output_of_whole_name_; }

 private:
  DeclaredOption& add(std::string_view name);
  void moment(std::string_view name, std::string_view help);

  Command& command_;
  std::map<std::string, DeclaredOption, std::less<>> options_;
  std::vector<std::vector<std::string>> exclusive_;
  std::vector<std::string> capture_files_;
  std::size_t min_captures_ = 1, max_captures_ = 1;
  std::string output_suffix_;
  bool output_of_whole_name_ = false;
};

// Standard output, written in large pieces. When the reader has gone away the report is ended by an exception: there is
// nobody to make the rest of it for.
class StandardOutput final : public std::streambuf {
 public:
  explicit StandardOutput(Progress& progress);
  bool reader_gone() const { return reader_gone_; }

 protected:
  int overflow(int c) override;
  int sync() override;

 private:
  Progress& progress_;
  std::vector<char> buffer_;
  bool terminal_;  // shared with the progress bar
  bool reader_gone_ = false;
};

class Context final : public ReportContext {
 public:
  Context(std::string report, const DeclaredOptions& options, std::vector<Capture> captures, Progress& progress);

  const Capture& capture(std::size_t i) const override { return captures_.at(i); }
  std::size_t captures() const override { return captures_.size(); }
  bool flag(std::string_view name) const override { return options_.get(name).flag; }
  std::int64_t integer(std::string_view name) const override { return options_.get(name).integer; }
  std::string text(std::string_view name) const override { return options_.get(name).text; }
  bool given(std::string_view name) const override { return options_.get(name).option->count() > 0; }
  Selection selection() const override { return options_.selection(); }
  std::ostream& out() const override { return out_; }
  bool out_is_terminal() const override;
  bool colour() const override;
  int columns() const override;
  int lines() const override;
  void warn(std::string_view text) const override;
  std::ostream& output() override;
  void commit_output() override;

  // Hands over what is still buffered. Returns false if the reader has gone.
  bool flush();

 private:
  std::string report_;
  const DeclaredOptions& options_;
  std::vector<Capture> captures_;
  Progress& progress_;
  StandardOutput buffer_;
  mutable std::ostream out_;
  std::optional<ReportFile> file_;
};

}  // namespace memray::cli
