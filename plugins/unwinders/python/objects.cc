// CPython 3.13 and later call a "reference tracer" for each object that is made and each that is destroyed. Ours tells
// the address, and for a new object its type, as a number.
//
// Types are objects as well, so the tracer hears of their end, and their addresses are free for others then. The name
// is the one in the type object, a C string: "dict", "collections.deque", for a class of Python code just "Foo".
#include "objects.h"

#include "frame.h"
#include "number_table.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace memray::python {

namespace {

enum TracerEvent { kCreated = 0, kDestroyed = 1 };

const Runtime* interpreter = nullptr;
NumberTable types;
std::atomic<std::uint32_t> last_type{0};
std::atomic<bool> tracing{false};

__attribute__((noinline, cold)) std::uint32_t describe_type(std::uintptr_t type) {
  NumberTable::Slot* slot = types.find(type, true);
  const auto* name = load<const char*>(type + interpreter->layout.type_name);
  if (!slot || !name) return 0;
  const std::uint32_t number = last_type.fetch_add(1, std::memory_order_relaxed) + 1;
  if (!host->define_type(number, name, std::strlen(name))) return 0;
  std::uint32_t first = 0;
  return slot->number.compare_exchange_strong(first, number, std::memory_order_acq_rel) ? number : first;
}

void forget_type(std::uintptr_t object) {
  if (NumberTable::Slot* slot = types.find(object, false)) slot->number.store(0, std::memory_order_release);
}

int trace(Object* object, int event, void*) {
  if (!tracing.load(std::memory_order_relaxed)) return 0;
  const auto address = reinterpret_cast<std::uintptr_t>(object);
  if (event == kCreated) {
    const auto type = load<std::uintptr_t>(address + interpreter->layout.object_type);
    const std::uint32_t known = types.number(type);
    host->object_created(address, known != 0 ? known : describe_type(type), __builtin_frame_address(0));
  } else if (event == kDestroyed) {
    forget_type(address);
    host->object_destroyed(address);
  }
  return 0;
}

// The tracers of 3.13.0 to 3.13.2 miss objects.
bool has_whole_tracer(const Runtime& runtime) {
  if (!runtime.api.set_tracer) return false;
  const char* patch = std::strrchr(runtime.version, '.');
  return runtime.layout.version > 0x030d || (patch && std::atoi(patch + 1) >= 3);
}

}  // namespace

void watch_objects(const Runtime& runtime) {
  if (!host->tracks_objects()) return;
  if (!has_whole_tracer(runtime)) {
    return host->warn("this Python does not tell of objects (3.13.3 and later do): recording without object lifetimes");
  }
  if (!holds_gil(runtime)) {
    return host->warn("Python was not running yet when recording started: recording without object lifetimes");
  }
  interpreter = &runtime;
  if (!types.begin(*host) || runtime.api.set_tracer(trace, nullptr) != 0) {
    return host->warn("the interpreter refused a reference tracer: recording without object lifetimes");
  }
  tracing = true;
  host->describe("track_object_lifetimes", "1");
}

void unwatch_objects(const Runtime& runtime) {
  if (tracing.exchange(false) && holds_gil(runtime)) runtime.api.set_tracer(nullptr, nullptr);
}

}  // namespace memray::python
