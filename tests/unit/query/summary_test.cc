#include <memray/text.h>

#include <catch2/catch.hpp>

#include "recording.h"
#include "reporter_harness.h"

namespace memray::test {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

void record_shop(Recording& recording) {
  const Call main{"main", "/app/shop.py", 1};
  recording.allocate(0x10, 7'000'000, recording.stack({main, {"load", "/app/load.py", 2}}));
  recording.allocate(0x20, 2'500'000, recording.stack({main, {"index", "/app/index.py", 3}}));
  recording.allocate(0x30, 480'000, recording.stack({main, {"index", "/app/index.py", 4}}));
  recording.allocate(0x40, 20'000, recording.stack({main}));
  recording.release(0x10);
}

}  // namespace

TEST_CASE("the summary is a table of functions, largest first") {
  Recording recording;
  record_shop(recording);
  const Capture capture = recording.finish();
  FakeContext context(capture);
  REQUIRE(run_reporter("summary", context).code == 0);
  REQUIRE(context.printed() ==
          R"(Peak memory    10.000MB in 4 allocations, after 4.0ms
All in all     10.000MB in 4 allocations
Command        python app.py
Program        )" +
              describe(capture.metadata().ending) +
              R"(

Location                <Total Memory>  Total Memory %  Own Memory  Own Memory %  Allocation Count
──────────────────────────────────────────────────────────────────────────────────────────────────
main at /app/shop.py          10.000MB         100.00%    20.000kB         0.20%                 4
load at /app/load.py           7.000MB          70.00%     7.000MB        70.00%                 1
index at /app/index.py         2.980MB          29.80%     2.980MB        29.80%                 2
)");
}

TEST_CASE("nothing is left out of the summary, however late and small") {
  Recording recording;
  const StackId early = recording.stack({{"early", "/a.py"}});
  for (std::uint64_t i = 0; i < 99; ++i) recording.allocate(16 * (i + 1), 100'000, early);
  recording.allocate(0x100000, 3'000, recording.stack({{"late", "/a.py"}}));
  const Capture capture = recording.finish();
  FakeContext context(capture);
  run_reporter("summary", context);
  REQUIRE(context.printed().find("late at /a.py") != std::string::npos);
}

TEST_CASE("the summary sorts by the column asked for") {
  Recording recording;
  record_shop(recording);
  const Capture capture = recording.finish();
  const auto first_row = [&](std::int64_t column) {
    FakeContext context(capture);
    context.integers["sort-column"] = column;
    run_reporter("summary", context);
    return lines_of(context.printed()).at(7).substr(0, 5);
  };
  REQUIRE(first_row(1) == "main ");
  REQUIRE(first_row(2) == "main ");
  REQUIRE(first_row(3) == "load ");
  REQUIRE(first_row(4) == "load ");
  REQUIRE(first_row(5) == "main ");
  FakeContext context(capture);
  context.integers["sort-column"] = 4;
  run_reporter("summary", context);
  REQUIRE(context.printed().find("<Own Memory %>") != std::string::npos);
}

TEST_CASE("on a terminal the summary fits the screen") {
  Recording recording;
  const std::string deep = "/home/somebody/projects/warehouse/src/warehouse/inventory/stock_levels.py";
  for (std::uint64_t i = 0; i < 50; ++i)
    recording.allocate(16 * (i + 1), 1000 + i, recording.stack({{"recalculate_level_" + std::to_string(i), deep}}));
  const Capture capture = recording.finish();
  for (const int width : {80, 100, 120, 200}) {
    CAPTURE(width);
    FakeContext context(capture);
    context.terminal = true;
    context.width = width;
    context.height = 30;
    run_reporter("summary", context);
    const auto lines = lines_of(context.printed());
    std::size_t rows = 0;
    for (const std::string& line : lines) {
      REQUIRE(text_width(line) <= static_cast<std::size_t>(width));
      rows += line.find("stock_levels.py") != std::string::npos || line.find("reca") == 0;
    }
    REQUIRE(rows == 25);
    REQUIRE(lines.back() == "25 of 50 functions shown; -r N shows N of them.");
  }
}

TEST_CASE("colours tell large shares") {
  Recording recording;
  record_shop(recording);
  const Capture capture = recording.finish();
  FakeContext context(capture);
  context.terminal = context.coloured = true;
  context.width = 120;
  run_reporter("summary", context);
  REQUIRE(context.printed().find("\x1b[31mload at /app/load.py") != std::string::npos);    // 70 %
  REQUIRE(context.printed().find("\x1b[33mindex at /app/index.py") != std::string::npos);  // 30 %
}

TEST_CASE("the summary of leaks, of nothing, and of code without a stack") {
  Recording recording;
  record_shop(recording);
  recording.allocate(0x50, 64, kNoStack);
  {
    const Capture capture = recording.finish();
    FakeContext context(capture);
    context.chosen_view = View::leaks;
    run_reporter("summary", context);
    REQUIRE(lines_of(context.printed()).at(0) == "Leaked memory  3.000MB in 4 allocations");
    REQUIRE(context.printed().find("load at") == std::string::npos);
    REQUIRE(context.printed().find("\n???") != std::string::npos);
  }
  Recording nothing;
  const Capture capture = nothing.finish();
  FakeContext context(capture);
  REQUIRE(run_reporter("summary", context).code == 0);
  REQUIRE(lines_of(context.printed()).at(0) == "Peak memory    0B in 0 allocations");
  REQUIRE(lines_of(context.printed()).back() == "No allocations were recorded.");
}

TEST_CASE("the summary as JSON") {
  Recording recording;
  recording.allocate(0x10, 100, recording.stack({{"f\"", "/a\\b.py", 1}}));
  const Capture capture = recording.finish();
  FakeContext context(capture);
  context.flags = {"json"};
  run_reporter("summary", context);
  REQUIRE(context.printed() == R"({
  "view": "peak",
  "total_bytes": 100,
  "num_allocations": 1,
  "command_line": "python app.py",
  "pid": 42,
  "ending": ")" + describe(capture.metadata().ending) +
                                   R"(",
  "locations": [
    {"function": "f\"", "file": "/a\\b.py", "total_bytes": 100, "own_bytes": 100, "num_allocations": 1}
  ]
}
)");
}

}  // namespace memray::test
