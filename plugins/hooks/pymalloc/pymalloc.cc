// The `pymalloc` hook backend: requests to Python's own allocators, which serve small objects from large blocks of
// their own, so that malloc sees next to nothing of them.
//
// CPython has three allocators, "domains": raw, mem and object. Each is a structure of four functions and a context,
// which PyMem_GetAllocator copies out and PyMem_SetAllocator replaces. That is public and has not changed since Python
// 3.5, so nothing here knows a version; a static interpreter exports both functions, too.
//
// The context stays that of the allocator below ours. PyMem_SetAllocator writes its five words one after the other, and
// a thread without the GIL (which may use the raw domain) could read some of them old and some new. With equal contexts
// every mixture is right.
//
// Hence each redirection needs functions of its own to know what is below it: a *layer*. Others may put their allocator
// on top of ours (tracemalloc, PyMem_SetupDebugHooks), and we cannot be removed from below them: such a layer stays
// where it is, as good as invisible while nothing is recorded. When recording starts again, a further layer is put on
// top of everything; a request that passes several is recorded by the outermost, which marks the thread as inside.
#include "objects.h"
#include "quiet.h"

#include <memray/hooks.h>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace memray::hooks {

namespace {

// CPython's PyMemAllocatorEx.
struct PythonAllocator {
  void* context;
  void* (*malloc)(void* context, std::size_t size);
  void* (*calloc)(void* context, std::size_t count, std::size_t size);
  void* (*realloc)(void* context, void* p, std::size_t size);
  void (*free)(void* context, void* p);
};

using AccessAllocator = void (*)(int domain, PythonAllocator* allocator);

constexpr std::size_t kDomains = 3;
constexpr std::size_t kLayers = 8;

AccessAllocator get_allocator = nullptr;
AccessAllocator set_allocator = nullptr;
PythonAllocator below[kLayers][kDomains];
bool in_place[kLayers][kDomains];
bool recording = false;

template <std::size_t L, std::size_t D>
void* layer_malloc(void* context, std::size_t size) {
  const auto function = below[L][D].malloc;
  if (!is_recording()) return function(context, size);
  void* p = call_quietly(function, context, size);
  if (p) state.recorder->allocated(MEMRAY_PYMALLOC_MALLOC, word(p), size, __builtin_frame_address(0));
  return p;
}

template <std::size_t L, std::size_t D>
void* layer_calloc(void* context, std::size_t count, std::size_t size) {
  const auto function = below[L][D].calloc;
  if (!is_recording()) return function(context, count, size);
  void* p = call_quietly(function, context, count, size);
  if (p) state.recorder->allocated(MEMRAY_PYMALLOC_CALLOC, word(p), count * size, __builtin_frame_address(0));
  return p;
}

// Python's realloc never frees: a size of 0 gets a block, and NULL is failure.
template <std::size_t L, std::size_t D>
void* layer_realloc(void* context, void* old, std::size_t size) {
  const auto function = below[L][D].realloc;
  if (!is_recording()) return function(context, old, size);
  const std::uint64_t stamp = state.recorder->stamp(word(old));
  void* p = call_quietly(function, context, old, size);
  if (!p) return nullptr;
  state.recorder->reallocated(MEMRAY_PYMALLOC_REALLOC, stamp, word(old), word(p), size, __builtin_frame_address(0));
  return p;
}

template <std::size_t L, std::size_t D>
void layer_free(void* context, void* p) {
  const auto function = below[L][D].free;
  if (!is_recording() || !p) return function(context, p);
  state.recorder->deallocating(MEMRAY_PYMALLOC_FREE, word(p), __builtin_frame_address(0));
  call_quietly(function, context, p);
}

template <std::size_t... I>
constexpr PythonAllocator functions_of(std::size_t layer, std::size_t domain, std::index_sequence<I...>) {
  constexpr PythonAllocator kAll[] = {
      {nullptr, layer_malloc<I / kDomains, I % kDomains>, layer_calloc<I / kDomains, I % kDomains>,
       layer_realloc<I / kDomains, I % kDomains>, layer_free<I / kDomains, I % kDomains>}...};
  return kAll[layer * kDomains + domain];
}

PythonAllocator our_functions(std::size_t layer, std::size_t domain) {
  return functions_of(layer, domain, std::make_index_sequence<kLayers * kDomains>());
}

bool is_layer(const PythonAllocator& allocator, std::size_t layer, std::size_t domain) {
  const PythonAllocator ours = our_functions(layer, domain);
  return allocator.malloc == ours.malloc && allocator.calloc == ours.calloc && allocator.realloc == ours.realloc &&
         allocator.free == ours.free;
}

bool find_python() {
  if (!get_allocator) {
    const link_map* objects = elf::first_object();
    get_allocator = reinterpret_cast<AccessAllocator>(elf::find_from(objects, "PyMem_GetAllocator").address);
    set_allocator = reinterpret_cast<AccessAllocator>(elf::find_from(objects, "PyMem_SetAllocator").address);
  }
  return get_allocator && set_allocator;
}

void redirect(std::size_t domain) {
  const auto number = static_cast<int>(domain);
  PythonAllocator now{};
  get_allocator(number, &now);
  std::size_t free_layer = kLayers;
  for (std::size_t layer = 0; layer < kLayers; ++layer) {
    if (is_layer(now, layer, domain)) return;  // left on top, by whoever was above us, when recording had stopped
    if (!in_place[layer][domain] && free_layer == kLayers) free_layer = layer;
  }
  if (free_layer == kLayers) return;  // one of the many that are in place will do
  below[free_layer][domain] = now;
  in_place[free_layer][domain] = true;
  PythonAllocator ours = our_functions(free_layer, domain);
  ours.context = now.context;
  set_allocator(number, &ours);
}

void restore(std::size_t domain) {
  const auto number = static_cast<int>(domain);
  PythonAllocator now{};
  get_allocator(number, &now);
  for (std::size_t layer = 0; layer < kLayers; ++layer) {
    if (!is_layer(now, layer, domain)) continue;
    in_place[layer][domain] = false;
    set_allocator(number, &below[layer][domain]);
    return;
  }
}

void redirect_all() {
  if (!find_python()) return;
  for (std::size_t domain = 0; domain < kDomains; ++domain) redirect(domain);
  state.recorder->describe("trace_python_allocators", "yes");
}

const char* attach(const memray_recorder* offered) {
  if (offered->size < sizeof(memray_recorder)) return "the recorder is older than the pymalloc hooks";
  state.recorder = offered;
  state.recording = offered->recording;
  return nullptr;
}

const char* install() { return nullptr; }

void uninstall() {
  if (!find_python()) return;
  for (std::size_t domain = 0; domain < kDomains; ++domain) restore(domain);
}

void recording_changed(int now) {
  recording = now != 0;
  recording ? redirect_all() : uninstall();
}

// A program may load its Python late.
void objects_changed() {
  if (recording && !get_allocator) redirect_all();
}

const char* allocator_name() { return nullptr; }

constexpr memray_hooks kHooks = {
    .size = sizeof(memray_hooks),
    .reserved = 0,
    .attach = attach,
    .install = install,
    .uninstall = uninstall,
    .needs_preload = 0,
    .allocator_name = allocator_name,
    .recording_changed = recording_changed,
    .objects_changed = objects_changed,
};

}  // namespace

}  // namespace memray::hooks

MEMRAY_HOOKS(memray::hooks::kHooks, "pymalloc", "Python's own allocators: raw, mem and object domains", "0.1.0");
