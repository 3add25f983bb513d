#include <memray/reporter.h>

#include <catch2/catch.hpp>

#include <cstdlib>
#include <functional>

namespace {

struct Scripted final : memray::Reporter {
  std::function<int()> body;
  void declare(memray::ReporterOptions&) const override {}
  int run(memray::ReportContext&) override { return body(); }
};

struct Outcome {
  int code;
  std::string message;
};

Outcome run(std::function<int()> body) {
  Scripted reporter;
  reporter.body = std::move(body);
  char* error = nullptr;
  // The context is only handed through.
  alignas(std::max_align_t) static char nothing[64];
  const int code = memray::detail::run_reporter(reporter, reinterpret_cast<memray::ReportContext&>(nothing), &error);
  Outcome outcome{code, error ? error : "(none)"};
  std::free(error);
  return outcome;
}

}  // namespace

TEST_CASE("an exit code passes the boundary as it is") {
  CHECK(run([] { return 0; }).message == "(none)");
  CHECK(run([] { return 7; }).code == 7);
}

TEST_CASE("expected errors pass as their text alone") {
  const auto report = run([]() -> int { throw memray::ReportError("no such row"); });
  CHECK(report.code == 1);
  CHECK(report.message == "no such row");
  const auto capture = run([]() -> int { throw memray::CaptureError("torn"); });
  CHECK(capture.code == 1);
  CHECK(capture.message == "torn");
}

TEST_CASE("unexpected ones are caught too") {
  const auto other = run([]() -> int { throw std::out_of_range("index"); });
  CHECK(other.code == 1);
  CHECK(other.message.find("index") != std::string::npos);
  CHECK(run([]() -> int { throw 5; }).code == 1);
  CHECK(run([]() -> int { throw std::bad_alloc(); }).message != "(none)");
}
