// Reporters: what people see of a capture.
//
// A reporter becomes a subcommand: `memray-reporter-foo.so` is `memray foo`. It declares its options, and is run with
// their values, the opened captures and somewhere to print. The command line gives every reporter -h, and, where asked
// for, -o/--output, -f/--force and the view selectors.
#pragma once

#include <memray/plugin.h>
#include <memray/query.h>

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace memray {

// The report cannot be made: the message is shown alone, exit code 1.
class ReportError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What was asked for contradicts itself: exit code 2.
class ReportUsageError : public ReportError {
 public:
  using ReportError::ReportError;
};

// What a reporter tells the command line about itself.
class ReporterOptions {
 public:
  virtual ~ReporterOptions() = default;

  // Names are long names without dashes; `short_name` is one letter or '\0'.
  virtual void flag(std::string_view name, char short_name, std::string_view help) = 0;
  virtual void integer(std::string_view name, char short_name, std::int64_t default_value, std::int64_t min,
                       std::int64_t max, std::string_view help) = 0;
  virtual void text(std::string_view name, char short_name, std::string_view default_value, std::string_view help) = 0;
  virtual void choice(std::string_view name, char short_name, std::vector<std::string> values,
                      std::string_view default_value, std::string_view help) = 0;
  // At most one of these options may be given.
  virtual void exclusive(std::vector<std::string> names) = 0;

  // Adds --leaks, --temporary-allocations, --temporary-allocation-threshold, --from and --to;
  // ReportContext::selection() then tells what was chosen.
  virtual void views() = 0;
  // Adds -o/--output and -f/--force. The derived name is memray-<report>-<stem><suffix> beside the capture.
  virtual void output_file(std::string_view suffix) = 0;
  // The same, with the capture's whole file name in place of its stem: memray-<report>-<name><suffix>.
  virtual void output_file_of_whole_name(std::string_view suffix) { output_file(suffix); }
  // How many capture arguments are taken; 1 unless said otherwise.
  virtual void captures(std::size_t min, std::size_t max) = 0;
};

// One run of a reporter.
class ReportContext {
 public:
  virtual ~ReportContext() = default;

  virtual const Capture& capture(std::size_t i = 0) const = 0;
  virtual std::size_t captures() const = 0;

  virtual bool flag(std::string_view name) const = 0;
  virtual std::int64_t integer(std::string_view name) const = 0;
  virtual std::string text(std::string_view name) const = 0;  // of text and choice options
  virtual bool given(std::string_view name) const = 0;        // on the command line, rather than by default
  virtual Selection selection() const = 0;                    // goes straight into snapshot()
  View view() const { return selection().view; }

  // Standard output. Writes after the reader went away (EPIPE) are dropped silently.
  virtual std::ostream& out() const = 0;
  virtual bool out_is_terminal() const = 0;
  virtual bool colour() const = 0;  // wanted and possible
  virtual int columns() const = 0;  // of the terminal; 80 where there is none
  virtual int lines() const = 0;    // of the terminal; 24 where there is none

  // A warning line on standard error.
  virtual void warn(std::string_view text) const = 0;

  // Opens the report file: the explicit or derived name, refused if it exists without --force. Written under a
  // temporary name; commit_output() puts it in place and prints "Wrote PATH". Without commit nothing is left behind.
  virtual std::ostream& output() = 0;
  virtual void commit_output() = 0;
};

// What a recording has come to, while it is made, for a page that follows it.
struct LiveReport {
  const Capture& capture;    // names, stacks and metadata; it has no events and knows no totals
  const Snapshot& snapshot;  // what is shown; threads are merged
  View view = View::peak;    // leaks: it is what was not freed; else what was live at a moment
  Time now{};
  Totals totals;
  std::vector<TimelinePoint> memory;
  std::string status;  // JSON that the page's frame understands, to be handed on as chrome.live
};

struct LivePage {
  std::string data;  // all that the page shows, as JSON in one line
  std::string html;  // a page with these data in it; it says itself, by a Content-Security-Policy, what it may do
};

class Reporter {
 public:
  virtual ~Reporter() = default;
  virtual void declare(ReporterOptions& options) const = 0;
  // Returns the exit code. May throw ReportError, CaptureError or any std::exception: the MEMRAY_REPORTER entry point
  // turns them into text before they reach the plugin's boundary. So it does for `live`.
  virtual int run(ReportContext& context) = 0;

  // Whether `memray live --web` can show it: a page that follows a recording.
  virtual bool follows() const { return false; }
  // `html` only if wanted: an open page asks for new data once a second.
  virtual LivePage live(const LiveReport& report, bool html);
};

inline LivePage Reporter::live(const LiveReport&, bool) {
  throw ReportError("this report does not follow a recording");
}

}  // namespace memray

extern "C" {
struct memray_reporter_factory {
  memray::Reporter* (*create)();
  void (*destroy)(memray::Reporter* reporter);
  // Returns the exit code; when an exception ended the run, 1, with `*error` set to a malloc'ed message (else nullptr).
  int (*run)(memray::Reporter* reporter, memray::ReportContext* context, char** error);
  // The same of Reporter::live.
  int (*live)(memray::Reporter* reporter, const memray::LiveReport* report, bool html, memray::LivePage* page,
              char** error);
};
}

namespace memray::detail {
int run_reporter(Reporter& reporter, ReportContext& context, char** error) noexcept;
int follow_with(Reporter& reporter, const LiveReport& report, bool html, LivePage& page, char** error) noexcept;
}  // namespace memray::detail

// Defines the plugin's descriptor for a reporter class that is default-constructible.
#define MEMRAY_REPORTER(Class, plugin_name, plugin_description, plugin_version)                           \
  extern "C" {                                                                                            \
  static const memray_reporter_factory memray_reporter_factory_instance = {                               \
      []() -> memray::Reporter* { return new (std::nothrow) Class(); },                                   \
      [](memray::Reporter* reporter) { delete reporter; },                                                \
      [](memray::Reporter* reporter, memray::ReportContext* context, char** error) {                      \
        return memray::detail::run_reporter(*reporter, *context, error);                                  \
      },                                                                                                  \
      [](memray::Reporter* reporter, const memray::LiveReport* report, bool html, memray::LivePage* page, \
         char** error) { return memray::detail::follow_with(*reporter, *report, html, *page, error); }};  \
  const memray_plugin_descriptor memray_plugin = {                                                        \
      MEMRAY_PLUGIN_MAGIC, MEMRAY_ABI_VERSION, MEMRAY_PLUGIN_REPORTER,           plugin_name,             \
      plugin_description,  plugin_version,     &memray_reporter_factory_instance};                        \
  }
