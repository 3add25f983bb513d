// What looking up the names of a capture's native frames costs, again, in CPU seconds: symbols-speed CAPTURE...
// The files that were recorded must still be there.
#include "symbols/resolve.h"

#include <memray/capture.h>

#include <fmt/format.h>

#include <cstdint>
#include <ctime>
#include <exception>

namespace {

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// The native frames of a capture without what is known about them.
void copy_frames(const memray::Definitions& from, memray::Definitions& to) {
  for (std::uint32_t i = 0; i < from.frames(); ++i) {
    memray::Frame frame = from.frame(memray::FrameId{i});
    if (frame.kind != memray::FrameKind::native || frame.module == memray::kNoModule) continue;
    memray::Module module = from.module(frame.module);
    module.path = to.add_string(from.string(module.path));
    module.build_id = to.add_string(from.string(module.build_id));
    frame.module = to.add_module(module);
    to.add_frame(frame);
  }
}

}  // namespace

int main(int count, char** arguments) try {
  for (int i = 1; i < count; ++i) {
    const memray::Capture capture(arguments[i]);
    memray::Definitions definitions;
    copy_frames(capture.definitions(), definitions);
    const double start = cpu_seconds();
    memray::symbols::resolve(definitions, memray::symbols::ModuleFiles(), {});
    fmt::print("{}: {:.3f} s\n", arguments[i], cpu_seconds() - start);
  }
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
