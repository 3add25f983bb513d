// Runs a reporter plugin the way the command line does: from its shared object, through its descriptor.
#pragma once

#include <memray/reporter.h>

#include <map>
#include <set>
#include <sstream>
#include <string>

namespace memray::test {

class FakeContext final : public ReportContext {
 public:
  explicit FakeContext(const Capture& capture) : capture_(capture) {}

  const Capture& capture(std::size_t) const override { return capture_; }
  std::size_t captures() const override { return 1; }
  bool flag(std::string_view name) const override { return flags.contains(std::string(name)); }
  std::int64_t integer(std::string_view name) const override { return integers.at(std::string(name)); }
  std::string text(std::string_view name) const override { return texts.at(std::string(name)); }
  bool given(std::string_view name) const override { return explicitly.contains(std::string(name)); }
  Selection selection() const override { return {chosen_view, 1, {}, {}}; }
  std::ostream& out() const override { return out_; }
  bool out_is_terminal() const override { return terminal; }
  bool colour() const override { return coloured; }
  int columns() const override { return width; }
  int lines() const override { return height; }
  void warn(std::string_view) const override {}
  std::ostream& output() override { return file_; }
  void commit_output() override { committed = true; }

  std::string printed() const { return out_.str(); }
  std::string file() const { return file_.str(); }

  std::set<std::string> flags, explicitly;
  std::map<std::string, std::int64_t> integers;
  std::map<std::string, std::string> texts;
  View chosen_view = View::peak;
  bool terminal = false, coloured = false, committed = false;
  int width = 80, height = 24;

 private:
  const Capture& capture_;
  mutable std::ostringstream out_;
  std::ostringstream file_;
};

struct Outcome {
  int code = 0;
  std::string error;
};

// Options not set in `context` get the defaults that the reporter declares.
Outcome run_reporter(const std::string& name, FakeContext& context);

}  // namespace memray::test
