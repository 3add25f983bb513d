// Which function is the real one?
//
// Both backends need the definition that the program would use if memray were not there: the first one in the dynamic
// linker's order of objects that is not memray's. For symbol interposition that is the next one after ourselves, so a
// jemalloc that the program was linked with, or that the user put into LD_PRELOAD, still does the work.
//
// C++'s operators need a decision of their own. Those of the C++ runtime call malloc, where their memory is seen, with
// the same size. Those of a program or of an allocator library may not (tcmalloc), so they are hooked as well, and what
// happens inside them is not recorded again. The exception is an object whose own calls do not pass through a word that
// can be changed (an executable calls its own functions directly) and which uses malloc: there some news and deletes
// would be seen and others not, while at malloc all are.
#include "real.h"

#include "slots.h"
#include "wrappers.h"

#include <errno.h>

namespace memray::hooks {

void* real_address[kFunctionCount] = {};

namespace {

Redirection redirections[kFunctionCount];
bool foreign = false;
const char* allocator = "";

constexpr Function kFreeFunctions[] = {Function::cfree, Function::free_sized, Function::free_aligned_sized};
constexpr Function kPointerFunctions[] = {
    Function::malloc, Function::calloc,        Function::realloc, Function::reallocarray, Function::memalign,
    Function::valloc, Function::aligned_alloc, Function::pvalloc, Function::dlopen,       Function::dlsym};

void* absent_pointer() { return errno = ENOSYS, nullptr; }
long absent() { return errno = ENOSYS, -1; }

// A libc without cfree or free_sized can still be given a pointer to free; their other arguments are ignored.
void* stand_in(std::size_t function) {
  for (Function f : kFreeFunctions) {
    if (function == index(f)) return real_address[index(Function::free)];
  }
  for (Function f : kPointerFunctions) {
    if (function == index(f)) return reinterpret_cast<void*>(absent_pointer);
  }
  return reinterpret_cast<void*>(absent);
}

using elf::Definition;
using elf::find_from;

const link_map* search_start() {
#ifdef MEMRAY_INTERPOSE
  const link_map* own = elf::own_object();
  return own ? own->l_next : elf::first_object();
#else
  return elf::first_object();
#endif
}

bool ends_its_own_calls_in_malloc(const link_map* object) {
  const elf::Object view = elf::read(object->l_addr, object->l_ld);
  const bool calls_directly = object == elf::first_object() || view.symbolic;
  bool uses_malloc = false;
  elf::for_each_slot(view, [&](const char* name, void**) { uses_malloc = uses_malloc || elf::equal(name, "malloc"); });
  return calls_directly && uses_malloc;
}

bool is_cxx_runtime(const link_map* object) {
  return elf::defines(elf::read(object->l_addr, object->l_ld), "__cxa_allocate_exception");
}

const char* name_of_allocator(const link_map* object) {
  struct Mark {
    const char* symbol;
    const char* name;
  };
  constexpr Mark kMarks[] = {
      {"gnu_get_libc_version", "glibc"}, {"mallocx", "jemalloc"}, {"tc_malloc", "tcmalloc"}, {"mi_malloc", "mimalloc"}};
  const elf::Object view = elf::read(object->l_addr, object->l_ld);
  for (const Mark& mark : kMarks) {
    if (elf::defines(view, mark.symbol)) return mark.name;
  }
  const char* base = object->l_name;
  for (const char* c = base; *c != '\0'; ++c) {
    if (*c == '/') base = c + 1;
  }
  return *base != '\0' ? base : "the program's own";
}

#ifdef MEMRAY_INTERPOSE
constexpr bool kPatchesAll = false;

// Interposition works if the dynamic linker finds our malloc before all others.
const char* why_not() {
  const link_map* object = elf::first_object();
  while (object && !elf::defines(elf::read(object->l_addr, object->l_ld), "malloc")) object = object->l_next;
  if (!object || object->l_ld == elf::own_dynamic()) return nullptr;
  if (object == elf::first_object()) {
    return "the program defines malloc itself, so symbol interposition sees only a part of its calls; use --hooks=plt";
  }
  return "another library's malloc comes before memray's; memray has to be first in LD_PRELOAD, or use --hooks=plt";
}
#else
constexpr bool kPatchesAll = true;

const char* why_not() {
  for (const link_map* object = elf::first_object(); object; object = object->l_next) {
    const elf::Object view = elf::read(object->l_addr, object->l_ld);
    if (elf::defines(view, "malloc") && elf::is_memray(view)) {
      return "the hook backends plt and preload cannot be used together: every call would be recorded twice";
    }
  }
  return nullptr;
}
#endif

}  // namespace

void* resolve(std::size_t function) {
  const link_map* start = search_start();
  for (std::size_t i = 0; i < kFunctionCount; ++i) {
    void* found = find_from(start, kFunctionNames[i]).address;
    real_address[i] = found || is_operator(i) ? found : stand_in(i);
  }
  return real_address[function];
}

const char* examine_program() {
  resolve(0);
  if (const char* why = why_not()) return why;
  const link_map* start = search_start();
  const Definition malloc = find_from(start, "malloc");
  if (!malloc.where) return "no malloc was found in this program";
  foreign = !elf::defines(elf::read(malloc.where->l_addr, malloc.where->l_ld), "__libc_start_main");
  allocator = name_of_allocator(malloc.where);

  for (std::size_t i = 0; i < kFunctionCount; ++i) {
    bool wanted = kPatchesAll;
    if (is_operator(i)) {
      const Definition definition = find_from(start, kFunctionNames[i]);
      wanted = definition.where && !is_cxx_runtime(definition.where) && !ends_its_own_calls_in_malloc(definition.where);
    }
    redirections[i] = {kFunctionNames[i], wanted ? real_address[i] : nullptr, replacement(i), true};
  }
  redirect(redirections, kFunctionCount);
  return nullptr;
}

const char* allocator_name() { return allocator; }
bool allocator_is_foreign() { return foreign; }

}  // namespace memray::hooks
