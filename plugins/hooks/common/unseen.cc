// A library such as jemalloc answers malloc, which all backends see, and has functions besides. Programs that call
// those need one more backend. Looking for such calls costs something only where there is such a library.
#include "unseen.h"

#include "objects.h"
#include "quiet.h"
#include "slots.h"

#include <string.h>

#include <atomic>
#include <iterator>

namespace memray::hooks {

namespace {

struct Library {
  const char* defines;    // tells it from others
  const char* functions;  // what programs call, between spaces
  const char* backend;    // the file that sees it
  const char* warning;
};

constexpr Library kLibraries[] = {
    {"mallocx", " mallocx rallocx xallocx sdallocx dallocx ", "memray-hooks-jemalloc.so",
     "this program calls jemalloc's own functions (mallocx, ...), which are not recorded; add jemalloc to --hooks"},
    {"mi_malloc", " mi_malloc mi_calloc mi_zalloc mi_realloc mi_new mi_free mi_heap_malloc mi_malloc_aligned ",
     "memray-hooks-mimalloc.so",
     "this program calls mimalloc's own functions (mi_malloc, ...), which are not recorded; add mimalloc to --hooks"},
    {"tc_malloc", " tc_malloc tc_calloc tc_realloc tc_free tc_new tc_newarray tc_delete ", "memray-hooks-tcmalloc.so",
     "this program calls tcmalloc's own functions (tc_malloc, ...), which are not recorded; add tcmalloc to --hooks"},
};
bool settled[std::size(kLibraries)] = {};
std::atomic<const char*> due[std::size(kLibraries)] = {};  // found, and not told yet

bool names(const char* functions, const char* name) {
  const std::size_t size = strlen(name);
  for (const char* at = functions; (at = strstr(at, name)); ++at) {
    if (at[-1] == ' ' && at[size] == ' ') return true;
  }
  return false;
}

bool ends_with(const char* text, const char* end) {
  const std::size_t size = strlen(text), length = strlen(end);
  return size >= length && strcmp(text + size - length, end) == 0;
}

bool is_loaded(const char* file) {
  for (const link_map* object = elf::first_object(); object; object = object->l_next) {
    if (ends_with(object->l_name, file)) return true;
  }
  return false;
}

bool is_called(const Library& library, const link_map* owner) {
  for (const link_map* object = elf::first_object(); object; object = object->l_next) {
    if (object == owner) continue;
    bool called = false;
    elf::for_each_slot(elf::read(object->l_addr, object->l_ld), [&](const char* name, void**) {
      called = called || (*name != '\0' && names(library.functions, name));
    });
    if (called) return true;
  }
  return false;
}

// With the loader locked: another thread may be about to unload what is looked at.
void look_for_libraries() {
  for (std::size_t i = 0; i < std::size(kLibraries); ++i) {
    const Library& library = kLibraries[i];
    if (settled[i]) continue;
    const elf::Definition found = elf::find_from(elf::first_object(), library.defines);
    if (!found.where) continue;
    settled[i] = true;
    if (!is_loaded(library.backend) && is_called(library, found.where)) due[i] = library.warning;
  }
}

}  // namespace

void warn_of_unseen_allocators() {
  with_loader_locked(look_for_libraries);
  for (auto& warning : due) {
    if (const char* text = warning.exchange(nullptr, std::memory_order_relaxed)) state.recorder->warn(text);
  }
}

}  // namespace memray::hooks
