// Every call from one object to another goes through a word that the dynamic linker filled with the function's address:
// a slot of the GOT, or a pointer in the program's data that was initialised with a function's name. Changing these
// words redirects the calls of one process and nothing else: no code is modified, no file.
//
// Which words. Relocations name them: a slot is the place of a relocation against the name of a wanted function. It is
// changed if it now holds the real function's address, or if it is not resolved yet (lazy binding: it points into its
// own object's code). Any other value is left alone: the object has been bound to something else than the rest of the
// program, and it must get its memory from there; or it holds the address of an executable's own PLT entry, through
// which the call arrives at a slot that we do change.
//
// When. Objects come and go while other threads run. The dynamic linker holds a lock during all of dlopen and dlclose,
// constructors included; as long as we hold it, every object is either complete or not there. There is no function to
// take it, but there is a function that calls us back while it does: dlsym runs the resolver of an indirect function
// under that lock. `memray_loader_lock_BACKEND` is an indirect function whose resolver does our work.
//
// What is remembered. Slots, by address, with what was in them. An object that is gone takes its slots along: when the
// linker's count of unloaded objects has moved, all objects are read again, and a slot is kept only if it is in one
// that is there and still holds what we wrote. So a library loaded later at the same addresses is not mistaken for the
// old one.
#include "slots.h"

#include "objects.h"
#include "page_vector.h"
#include "writable.h"
#ifdef MEMRAY_INTERPOSE
#include "real.h"
#endif

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <atomic>

namespace memray::hooks {

namespace {

struct Slot {
  void** word;
  void* original;
  std::size_t function;  // number in `redirections`
};

struct Loaded {
  std::uintptr_t base;
  const ElfW(Dyn) * dynamic;
};

// All of it is used under the loader's lock.
PageVector<Slot> slots;
PageVector<Slot> previous;  // while all objects are read again; sorted by address
PageVector<Loaded> known;
const Redirection* redirections = nullptr;
std::size_t redirection_count = 0;
std::uint64_t initials = 0;  // of the names, a bit for each letter modulo 64
bool installed = false;
std::uintptr_t exempt = 0;

std::atomic<unsigned long long> seen_loads{0};
std::atomic<unsigned long long> seen_unloads{0};

struct Counts {
  unsigned long long loads = 0, unloads = 0;
};

Counts counts() {
  Counts result;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* to) {
        *static_cast<Counts*>(to) = {info->dlpi_adds, info->dlpi_subs};
        return 1;
      },
      &result);
  return result;
}

bool contains(const dl_phdr_info& object, std::uintptr_t address, std::uint32_t flags) {
  for (std::size_t i = 0; i < object.dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object.dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & flags) != flags) continue;
    if (address - (object.dlpi_addr + segment.p_vaddr) < segment.p_memsz) return true;
  }
  return false;
}

const ElfW(Dyn) * dynamic_of(const dl_phdr_info& object) {
  for (std::size_t i = 0; i < object.dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object.dlpi_phdr[i];
    if (segment.p_type == PT_DYNAMIC) return reinterpret_cast<const ElfW(Dyn)*>(object.dlpi_addr + segment.p_vaddr);
  }
  return nullptr;
}

// `redirection_count` if it is none of ours. Looked at once per relocation: the first test settles nearly all.
std::size_t wanted_function(const char* name) {
  if (((initials >> (*name % 64)) & 1) == 0) return redirection_count;
  for (std::size_t i = 0; i < redirection_count; ++i) {
    if (elf::equal(name, redirections[i].name)) return redirections[i].real ? i : redirection_count;
  }
  return redirection_count;
}

class Patcher {
 public:
  void visit(const dl_phdr_info& object) {
    const ElfW(Dyn)* dynamic = dynamic_of(object);
    if (!dynamic || is_known(object.dlpi_addr, dynamic)) return;
    known.push({object.dlpi_addr, dynamic});
    const elf::Object view = elf::read(object.dlpi_addr, dynamic);
    const bool is_linker = elf::defines(view, "_r_debug");
    if (is_linker || elf::is_memray(view) || contains(object, exempt, 0)) return;
    elf::for_each_slot(view, [&](const char* name, void** word) {
      const std::size_t function = wanted_function(name);
      if (function != redirection_count) patch(object, view, function, word);
    });
  }

  // A thread that was resolving a slot while we changed it has put the real address back.
  void repair() {
    for (const Slot& slot : slots) {
      if (__atomic_load_n(slot.word, __ATOMIC_RELAXED) == redirections[slot.function].real) {
        writer_.write(slot.word, redirections[slot.function].hook);
      }
    }
  }

  void restore() {
    for (const Slot& slot : slots) {
      if (__atomic_load_n(slot.word, __ATOMIC_RELAXED) == redirections[slot.function].hook) {
        writer_.write(slot.word, slot.original);
      }
    }
  }

 private:
  static bool is_known(std::uintptr_t base, const ElfW(Dyn) * dynamic) {
    return std::any_of(known.begin(), known.end(),
                       [&](const Loaded& l) { return l.base == base && l.dynamic == dynamic; });
  }

  void patch(const dl_phdr_info& object, const elf::Object& view, std::size_t function, void** word) {
    const Redirection& redirection = redirections[function];
    if (!redirection.in_its_own_object && contains(object, reinterpret_cast<std::uintptr_t>(redirection.real), 0))
      return;
    void* now = __atomic_load_n(word, __ATOMIC_RELAXED);
    if (now == redirection.hook) {
      const Slot* old =
          std::lower_bound(previous.begin(), previous.end(), word, [](const Slot& s, void** w) { return s.word < w; });
      if (old != previous.end() && old->word == word) slots.push(*old);
      return;
    }
    const ElfW(Sym)* own = elf::find(view, redirection.name);
    const bool bound_to_itself = own && elf::address(view, own) == now;
    const bool unresolved = !bound_to_itself && contains(object, reinterpret_cast<std::uintptr_t>(now), PF_X);
    if (now != redirection.real && !unresolved) return;
    if (slots.push({word, now, function}) && !writer_.write(word, redirection.hook)) {
      slots.set_size(slots.size() - 1);
    }
  }

  Writer writer_;
};

void forget_unloaded() {
  previous.swap(slots);
  slots.clear();
  known.clear();
  std::sort(previous.begin(), previous.end(), [](const Slot& a, const Slot& b) { return a.word < b.word; });
}

void patch_objects(Patcher& patcher) {
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* p) {
        static_cast<Patcher*>(p)->visit(*info);
        return 0;
      },
      &patcher);
}

void update() {
  const Counts now = counts();
  if (installed) {
    Patcher patcher;
    if (now.unloads != seen_unloads.load(std::memory_order_relaxed)) {
      forget_unloaded();
    } else {
      patcher.repair();
    }
    patch_objects(patcher);
  }
  seen_loads.store(now.loads, std::memory_order_relaxed);
  seen_unloads.store(now.unloads, std::memory_order_relaxed);
}

void install() {
  if (installed) return;
  installed = true;
  update();
}

void uninstall() {
  if (!installed) return;
  Patcher patcher;
  if (counts().unloads != seen_unloads.load(std::memory_order_relaxed)) {
    forget_unloaded();
    patch_objects(patcher);
  }
  patcher.restore();
  installed = false;
  slots.release();
  previous.release();
  known.release();
}

// Handed to the resolver, which runs in the thread that asked for it.
thread_local void (*locked_work)() = nullptr;

}  // namespace

}  // namespace memray::hooks

// See the top of this file. The indirect function is never called. Backends find each other's symbols: each has its
// own.
#define MEMRAY_TEXT(x) #x
#define MEMRAY_LOADER_LOCK(backend) MEMRAY_TEXT(memray_loader_lock_##backend)
#define MEMRAY_LOADER_LOCK_NAME(backend) MEMRAY_LOADER_LOCK(backend)

extern "C" {
static void memray_nothing() {}

static void (*memray_work_under_lock())() {
  using memray::hooks::locked_work;
  void (*work)() = locked_work;
  locked_work = nullptr;
  if (work) work();
  return memray_nothing;
}

__attribute__((visibility("default"), ifunc("memray_work_under_lock"))) void memray_loader_lock() __asm__(
    MEMRAY_LOADER_LOCK_NAME(MEMRAY_BACKEND));
}

namespace memray::hooks {

// A plugin that was preloaded is found in the global scope only: as long as nobody has opened it, its own entry has no
// scope to search, and dlsym crashes. One that was opened is found through its own entry only. The lookup that works is
// remembered, because one that fails allocates.
void with_loader_locked(void (*work)()) {
  static bool is_global = true;
#ifdef MEMRAY_INTERPOSE
  const auto lookup = real<void*(void*, const char*)>(Function::dlsym);
#else
  const auto lookup = dlsym;
#endif
  locked_work = work;
  if (is_global) lookup(RTLD_DEFAULT, MEMRAY_LOADER_LOCK_NAME(MEMRAY_BACKEND));
  if (!locked_work) return;
  is_global = false;
  lookup(const_cast<link_map*>(elf::own_object()), MEMRAY_LOADER_LOCK_NAME(MEMRAY_BACKEND));
}

void redirect(const Redirection* list, std::size_t count) {
  redirections = list;
  redirection_count = count;
  initials = 0;
  for (std::size_t i = 0; i < count; ++i) initials |= std::uint64_t{1} << (list[i].name[0] % 64);
}

void exempt_object_of(const void* address) { exempt = reinterpret_cast<std::uintptr_t>(address); }

const char* install_slots() {
  with_loader_locked(install);
  return nullptr;
}

void uninstall_slots() { with_loader_locked(uninstall); }

bool follow_objects() {
  const Counts now = counts();
  if (now.loads == seen_loads.load(std::memory_order_relaxed) &&
      now.unloads == seen_unloads.load(std::memory_order_relaxed)) {
    return false;
  }
  with_loader_locked(update);
  return true;
}

}  // namespace memray::hooks
