// glibc 2.35 and later answer "which object is this address in?" without a lock, from a list that is up to date before
// the first instruction of a new object is executed. For older ones a list of our own is made, from what
// dl_iterate_phdr tells when objects_changed() is called. That function takes a lock, so it is out of the question
// while a stack is unwound.
//
// The list is written under the loader's lock and read without one. An entry is valid when its `begin` is set; it is
// set last, and cleared first. An object cannot go while a thread is in its code, so a reader that has found its own
// frames' object may go on reading.
#include "objects.h"

#include <elf.h>
#include <link.h>

#include <atomic>
#include <cstddef>

namespace memray::native {

std::atomic<std::uint32_t> generation_of_objects{1};

namespace {

// struct dl_find_object of <dlfcn.h>, declared here because older libraries do not have it.
struct FoundObject {
  unsigned long long flags;
  void* begin;
  void* end;
  void* link_map;
  void* unwind_table;
  unsigned long long reserved[7];
};

extern "C" int find_loaded_object(void* pc, FoundObject* found) __asm__("_dl_find_object") __attribute__((weak));

struct Object {
  std::atomic<Word> begin;
  std::atomic<Word> end;
  std::atomic<const std::uint8_t*> unwind_table;
  std::uint32_t seen;  // in which look
};

constexpr std::uint32_t kMostObjects = 4096;
Object objects[kMostObjects];
std::atomic<std::uint32_t> objects_used{0};
std::uint32_t looks = 0;
unsigned long long unloaded = 0;

void note(Word begin, Word end, const std::uint8_t* unwind_table) {
  const std::uint32_t used = objects_used.load(std::memory_order_relaxed);
  Object* free = nullptr;
  for (std::uint32_t i = 0; i < used; ++i) {
    const Word known = objects[i].begin.load(std::memory_order_relaxed);
    if (known == begin && objects[i].end == end && objects[i].unwind_table == unwind_table) {
      objects[i].seen = looks;
      return;
    }
    if (known == 0) free = &objects[i];
  }
  if (!free) {
    if (used == kMostObjects) return;
    free = &objects[used];
  }
  free->end.store(end, std::memory_order_relaxed);
  free->unwind_table.store(unwind_table, std::memory_order_relaxed);
  free->seen = looks;
  free->begin.store(begin, std::memory_order_release);
  if (free == &objects[used]) objects_used.store(used + 1, std::memory_order_release);
}

// Called with the loader's lock held, for each object; `first` tells a new look.
int examine(dl_phdr_info* info, std::size_t, void* first) {
  if (*static_cast<bool*>(first)) ++looks;
  *static_cast<bool*>(first) = false;
  Word begin = ~Word{0};
  Word end = 0;
  const std::uint8_t* unwind_table = nullptr;
  for (std::uint32_t i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    const Word at = info->dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_GNU_EH_FRAME) unwind_table = reinterpret_cast<const std::uint8_t*>(at);
    if (segment.p_type != PT_LOAD) continue;
    if (at < begin) begin = at;
    if (at + segment.p_memsz > end) end = at + segment.p_memsz;
  }
  if (unwind_table && begin != 0 && begin < end) note(begin, end, unwind_table);
  return 0;
}

// Called with the lock held, after a look: whatever the last look, of whichever thread, has not seen is gone.
int sweep(dl_phdr_info* info, std::size_t size, void*) {
  const std::uint32_t used = objects_used.load(std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < used; ++i) {
    if (objects[i].seen != looks) objects[i].begin.store(0, std::memory_order_release);
  }
  if (size >= offsetof(dl_phdr_info, dlpi_subs) + sizeof info->dlpi_subs && info->dlpi_subs != unloaded) {
    unloaded = info->dlpi_subs;
    generation_of_objects.fetch_add(1, std::memory_order_acq_rel);
  }
  return 1;
}

}  // namespace

const std::uint8_t* unwind_table_in_list(Word pc) {
  const std::uint32_t used = objects_used.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < used; ++i) {
    const Object& object = objects[i];
    const Word begin = object.begin.load(std::memory_order_acquire);
    if (begin != 0 && begin <= pc && pc < object.end.load(std::memory_order_relaxed)) {
      return object.unwind_table.load(std::memory_order_relaxed);
    }
  }
  return nullptr;
}

const std::uint8_t* unwind_table_of(Word pc) {
  if (!find_loaded_object) return unwind_table_in_list(pc);
  FoundObject found;
  if (find_loaded_object(reinterpret_cast<void*>(pc), &found) != 0) return nullptr;
  return static_cast<const std::uint8_t*>(found.unwind_table);
}

void look_at_objects() {
  bool first = true;
  dl_iterate_phdr(examine, &first);
  dl_iterate_phdr(sweep, nullptr);
}

}  // namespace memray::native
