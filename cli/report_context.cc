#include "report.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace memray::cli {
namespace {

constexpr std::size_t kBufferBytes = 64 << 10;

bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value && *value;
}

// A size from the environment, else the terminal's, else `fallback`.
int terminal_size(const char* variable, unsigned short winsize::*field, int fallback) {
  if (const char* value = std::getenv(variable))
    if (const int size = std::atoi(value); size > 0) return size;
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.*field > 0) return size.*field;
  return fallback;
}

std::filesystem::path expand_home(const std::string& name) {
  const char* home = std::getenv("HOME");
  return home && name.starts_with("~/") ? home + name.substr(1) : name;
}

}  // namespace

StandardOutput::StandardOutput(Progress& progress)
    : progress_(progress), buffer_(kBufferBytes), terminal_(isatty(STDOUT_FILENO)) {
  setp(buffer_.data(), buffer_.data() + buffer_.size());
}

int StandardOutput::overflow(int c) {
  sync();
  if (c != traits_type::eof()) {
    *pptr() = static_cast<char>(c);
    pbump(1);
  }
  return 0;
}

int StandardOutput::sync() {
  if (terminal_) progress_.clear();
  const char* data = pbase();
  const char* const end = pptr();
  setp(buffer_.data(), buffer_.data() + buffer_.size());
  while (data < end && !reader_gone_) {
    const ssize_t written = write(STDOUT_FILENO, data, static_cast<std::size_t>(end - data));
    if (written >= 0) {
      data += written;
    } else if (errno == EPIPE) {
      reader_gone_ = true;
      throw ReportError("");
    } else if (errno != EINTR) {
      throw ReportError(fmt::format("cannot write to standard output: {}", std::strerror(errno)));
    }
  }
  return 0;
}

Context::Context(std::string report, const DeclaredOptions& options, std::vector<Capture> captures, Progress& progress)
    : report_(std::move(report)),
      options_(options),
      captures_(std::move(captures)),
      progress_(progress),
      buffer_(progress),
      out_(&buffer_) {
  out_.exceptions(std::ios::badbit);
  for (auto& capture : captures_) capture.on_progress([this](double fraction) { progress_.update(fraction); });
}

bool Context::out_is_terminal() const { return isatty(STDOUT_FILENO); }

bool Context::colour() const {
  const char* terminal = std::getenv("TERM");
  return out_is_terminal() && !is_set("NO_COLOR") && terminal && std::strcmp(terminal, "dumb") != 0;
}

int Context::columns() const { return terminal_size("COLUMNS", &winsize::ws_col, 80); }
int Context::lines() const { return terminal_size("LINES", &winsize::ws_row, 24); }

void Context::warn(std::string_view text) const {
  progress_.clear();
  fmt::print(stderr, "warning: {}\n", text);
}

std::ostream& Context::output() {
  const std::string& given = options_.get("output").text;
  if (given == "-") return out_;
  const auto name = given.empty() ? derived_report_name(captures_.at(0).path(), report_, options_.output_suffix(),
                                                        options_.output_of_whole_name())
                                  : expand_home(given);
  file_.emplace(name, options_.get("force").flag);
  return file_->stream();
}

void Context::commit_output() {
  if (!file_) return;  // it went to standard output
  file_->commit();
  out_ << "Wrote " << file_->name().string() << '\n';
}

bool Context::flush() {
  if (!buffer_.reader_gone()) out_.flush();
  return !buffer_.reader_gone();
}

}  // namespace memray::cli
