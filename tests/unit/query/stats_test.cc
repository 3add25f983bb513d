#include <catch2/catch.hpp>

#include "recording.h"
#include "reporter_harness.h"

namespace memray::test {
namespace {

void record_sizes(Recording& recording) {
  const StackId load =
      recording.stack({{"<module>", "/app/run.py", 1}, {"load", "/lib/python3.12/site-packages/np/io.py", 7}});
  const StackId step = recording.stack({{"<module>", "/app/run.py", 2}});
  recording.allocate(0x10, 100'000, load);
  for (int i = 0; i < 4; ++i) {
    recording.allocate(0x20, 10, step, Allocator::calloc);
    recording.release(0x20);
  }
  recording.allocate(0x30, 2600, kNoStack);
}

}  // namespace

TEST_CASE("statistics as text") {
  Recording recording;
  record_sizes(recording);
  const Capture capture = recording.finish();
  FakeContext context(capture);
  REQUIRE(run_reporter("stats", context).code == 0);
  REQUIRE(context.printed() == R"(Total allocations:
  6

Total memory allocated:
  102.640kB

Peak memory usage:
  102.600kB

Histogram of allocation sizes:
  <  25B      : 4 ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇
  <  63B      : 0
  <  158B     : 0
  <  398B     : 0
  <  1.000kB  : 0
  <  2.511kB  : 0
  <  6.309kB  : 1 ▇▇▇▇▇▇▇
  <  15.848kB : 0
  <  39.810kB : 0
  <= 100.000kB: 1 ▇▇▇▇▇▇▇

Allocator type distribution:
  CALLOC: 4
  MALLOC: 2

Top 3 allocating locations by size:
  load:/lib/python3.12/site-packages/np/io.py:7 -> 100.000kB
  <stack trace unavailable> -> 2.600kB
  <module>:/app/run.py:2 -> 40B

Top 3 allocating locations by number of allocations:
  <module>:/app/run.py:2 -> 4
  load:/lib/python3.12/site-packages/np/io.py:7 -> 1
  <stack trace unavailable> -> 1

Top 3 modules by allocation size:
  np -> 100.000kB
  <root> -> 2.600kB
  run.py -> 40B

Top 3 modules by number of allocations:
  run.py -> 4
  np -> 1
  <root> -> 1
)");
}

TEST_CASE("statistics as JSON, with the keys that scripts know") {
  setenv("TZ", "UTC-5:30", 1);
  Recording recording;
  record_sizes(recording);
  recording.metadata.start_time_ns = 1'700'000'000'250'000'000;
  recording.metadata.python_allocator = "pymalloc";
  const Capture capture = recording.finish();
  FakeContext context(capture);
  context.flags = {"json"};
  context.integers["num-largest"] = 1;
  REQUIRE(run_reporter("stats", context).code == 0);
  REQUIRE(context.committed);
  REQUIRE(context.printed().empty());
  REQUIRE(context.file() == R"({
  "total_num_allocations": 6,
  "total_bytes_allocated": 102640,
  "allocation_size_histogram": [
    {"min_bytes": 0, "max_bytes": 24, "count": 4},
    {"min_bytes": 25, "max_bytes": 62, "count": 0},
    {"min_bytes": 63, "max_bytes": 157, "count": 0},
    {"min_bytes": 158, "max_bytes": 397, "count": 0},
    {"min_bytes": 398, "max_bytes": 999, "count": 0},
    {"min_bytes": 1000, "max_bytes": 2510, "count": 0},
    {"min_bytes": 2511, "max_bytes": 6308, "count": 1},
    {"min_bytes": 6309, "max_bytes": 15847, "count": 0},
    {"min_bytes": 15848, "max_bytes": 39809, "count": 0},
    {"min_bytes": 39810, "max_bytes": 100000, "count": 1}
  ],
  "allocator_type_distribution": {
    "MALLOC": 2,
    "CALLOC": 4
  },
  "top_allocations_by_size": [
    {"location": "load:/lib/python3.12/site-packages/np/io.py:7", "size": 100000}
  ],
  "top_allocations_by_count": [
    {"location": "<module>:/app/run.py:2", "count": 4}
  ],
  "top_modules_by_allocation_size": [
    {"module": "np", "num_allocations": 1, "total_bytes": 100000}
  ],
  "top_modules_by_allocation_count": [
    {"module": "run.py", "num_allocations": 4, "total_bytes": 40}
  ],
  "metadata": {
    "start_time": "2023-11-15 03:43:20.250000+05:30",
    "end_time": "2023-11-15 03:43:20.260000+05:30",
    "total_allocations": 10,
    "total_frames": 3,
    "peak_memory": 102600,
    "command_line": "python app.py",
    "pid": 42,
    "main_thread_id": 1,
    "python_allocator": "pymalloc",
    "has_native_traces": false,
    "trace_python_allocators": false,
    "file_format": 0
  }
}
)");
}

TEST_CASE("statistics of nothing, as text and as JSON") {
  Recording recording;
  const Capture capture = recording.finish();
  FakeContext text(capture);
  REQUIRE(run_reporter("stats", text).code == 0);
  REQUIRE(text.printed().find("Top 0 allocating locations by size:\n") != std::string::npos);
  REQUIRE(text.printed().find("modules") == std::string::npos);
  FakeContext json(capture);
  json.flags = {"json"};
  REQUIRE(run_reporter("stats", json).code == 0);
  REQUIRE(json.file().find("\"top_allocations_by_size\": [],") != std::string::npos);
  REQUIRE(json.file().find("\"allocator_type_distribution\": {},") != std::string::npos);
}

TEST_CASE("an output file without JSON is refused") {
  Recording recording;
  const Capture capture = recording.finish();
  FakeContext context(capture);
  context.explicitly = {"output"};
  const Outcome outcome = run_reporter("stats", context);
  REQUIRE(outcome.code == 1);
  REQUIRE(outcome.error.find("--json") != std::string::npos);
  REQUIRE(context.printed().empty());
}

}  // namespace memray::test
