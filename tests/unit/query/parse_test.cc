#include <catch2/catch.hpp>

#include "recording.h"
#include "reporter_harness.h"

namespace memray::test {

TEST_CASE("the dump refuses to flood a terminal") {
  Recording recording;
  const Capture capture = recording.finish();
  FakeContext context(capture);
  context.terminal = true;
  const Outcome outcome = run_reporter("parse", context);
  REQUIRE(outcome.code == 1);
  REQUIRE(!outcome.error.empty());
  REQUIRE(context.printed().empty());
}

TEST_CASE("the dump has a line for everything") {
  Recording recording;
  recording.metadata.memray_version = "1.2.3";
  recording.metadata.extra = {{"python_stdlib", "/lib/python3.12"}};
  const StackId at = recording.stack({{"main", "/app/a b.py", 1}, {"f", "/app/\"q\".py", 2}});
  recording.allocate(0x1000, 64, at);
  recording.map(0x10000, 0x3000, at);
  recording.unmap(0x11000, 0x1000);
  recording.release(0x1000);
  recording.release(0xbad0);
  recording.matcher.process_ended(recording.process, false, recording.now());
  recording.samples = {{Time{2'500'000}, recording.process, 4096, 12352, 12352, 4000, 99, 3000, 7, 5},
                       {Time{9'000'000}, recording.process, 5000, 0}};
  const Capture capture = recording.finish();
  FakeContext context(capture);
  REQUIRE(run_reporter("parse", context).code == 0);
  REQUIRE(
      context.printed() ==
      R"(HEADER memray_version="1.2.3" python_version="" native_traces=0 n_allocations=2 n_frames=2 start_time_ns=0 end_ns=5000000 pid=42 main_tid=0 command_line="python app.py" python_allocator="" trace_python_allocators=0 hooks="" unwinders="" python_stdlib="/lib/python3.12"
PROCESS process=0 pid=42 parent_pid=1 time_ns=0 command_line="python app.py"
THREAD tid=0 process=0 number=1 os_tid=42 name="MainThread"
FRAME frame=0 kind=python entry=0 line=1 function="main" file="/app/a b.py"
FRAME frame=1 kind=python entry=0 line=2 function="f" file="/app/\"q\".py"
STACK stack=1 parent=0 frame=0 depth=1
STACK stack=2 parent=1 frame=1 depth=2
SITE site=0 tid=0 allocator=malloc stack=2 native_stack=0 size=64
SITE site=1 tid=0 allocator=mmap stack=2 native_stack=0 size=12288
ALLOCATION number=0 time_ns=1000000 tid=0 address=0x1000 size=64 allocator=malloc stack=2 native_stack=0 site=0
ALLOCATION number=1 time_ns=2000000 tid=0 address=0x10000 size=12288 allocator=mmap stack=2 native_stack=0 site=1
MEMORY_SAMPLE time_ns=2500000 process=0 rss=4096 heap=12352 process_heap=12352 anonymous=4000 mapped=99 pss=3000 mappings=7 own=5
PARTIAL_DEALLOCATION number=1 time_ns=3000000 tid=0 address=0x11000 size=4096 allocator=munmap site=1 pieces=2
DEALLOCATION number=0 time_ns=4000000 tid=0 address=0x1000 size=64 allocator=free site=0
UNKNOWN_DEALLOCATION time_ns=5000000 tid=0 address=0xbad0 size=0 allocator=free
PROCESS_EXIT time_ns=5000000 process=0
MEMORY_SAMPLE time_ns=9000000 process=0 rss=5000 heap=0 process_heap=0 anonymous=0 mapped=0 pss=0 mappings=0 own=0
TRAILER events=6 allocations=2 deallocations=1 allocated_bytes=12352 peak_bytes=12352 dropped_events=0 unknown_deallocations=1 ending=")" +
          describe(capture.metadata().ending) + R"(" damage=""
)");
}

}  // namespace memray::test
