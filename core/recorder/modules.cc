// Which files are mapped with code, so that the collector knows what a native frame's address means.
//
// The whole list is told when recording starts and again whenever the loader has loaded or unloaded something, stamped
// with the moment at which it was true: addresses that one library leaves and another takes are told apart by time. It
// is asked of the loader, and not of the kernel, because the loader also has the program headers, and so the build-ids
// in memory: a file that is replaced or deleted later is still recognised.
//
// Costs nothing unless there is a native unwinder, and then a walk of the loader's list for each dlopen and dlclose.
#include "stamps.h"
#include "thread.h"

#include <elf.h>
#include <link.h>

namespace memray::recorder {

namespace {

constexpr std::size_t kListBytes = std::size_t{4} << 20;
constexpr std::size_t kPathBytes = 4096;

// What the loader had done when the list was told last.
std::atomic<unsigned long long> told_loads{0}, told_unloads{0};

class List {
 public:
  explicit List(unsigned char* bytes) : begin_(bytes), end_(bytes) {}

  const void* bytes() const { return begin_; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(end_ - begin_); }
  bool fits(std::size_t bytes) const { return bytes <= kListBytes - size(); }

  void number(std::uint64_t value) { raw(&value, sizeof value); }
  void sizes(std::size_t first, std::size_t second) { number(first | std::uint64_t{second} << 32); }
  void raw(const void* bytes, std::size_t size) {
    const auto* from = static_cast<const unsigned char*>(bytes);
    for (std::size_t i = 0; i < size; ++i) *end_++ = from[i];
  }

 private:
  unsigned char* begin_;
  unsigned char* end_;
};

struct BuildId {
  const void* bytes = nullptr;
  std::size_t size = 0;
};

BuildId find_build_id(const unsigned char* notes, std::size_t size, std::size_t align) {
  auto padded = [align](std::size_t n) { return (n + align - 1) / align * align; };
  while (size >= sizeof(ElfW(Nhdr))) {
    const auto* note = reinterpret_cast<const ElfW(Nhdr)*>(notes);
    const std::size_t description = padded(sizeof *note + note->n_namesz);
    const std::size_t next = padded(description + note->n_descsz);
    if (description + note->n_descsz > size) break;
    const unsigned char* name = notes + sizeof *note;
    if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && name[0] == 'G' && name[1] == 'N' && name[2] == 'U') {
      return {notes + description, note->n_descsz};
    }
    if (next >= size) break;
    notes += next;
    size -= next;
  }
  return {};
}

BuildId build_id_of(const dl_phdr_info& object) {
  for (std::uint32_t i = 0; i < object.dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object.dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    const auto* notes = reinterpret_cast<const unsigned char*>(object.dlpi_addr + segment.p_vaddr);
    const BuildId found = find_build_id(notes, segment.p_memsz, segment.p_align == 8 ? 8 : 4);
    if (found.size != 0) return found;
  }
  return {};
}

std::size_t length(const char* s) {
  std::size_t n = 0;
  while (s[n] != '\0') ++n;
  return n;
}

struct Gathering {
  List list;
  bool begun = false;
  unsigned long long loads = 0;
  unsigned long long unloads = 0;
};

// False: the loader has done nothing since the list was told.
bool begin(Gathering& gathering, const dl_phdr_info& object) {
  gathering.begun = true;
  gathering.loads = object.dlpi_adds;
  gathering.unloads = object.dlpi_subs;
  if (gathering.loads == told_loads.load() && gathering.unloads == told_unloads.load()) return false;
  char program[kPathBytes];
  char folder[kPathBytes];
  const long program_size = sys::call(SYS_readlinkat, AT_FDCWD, reinterpret_cast<long>("/proc/self/exe"),
                                      reinterpret_cast<long>(program), sizeof program);
  const long folder_size = sys::call(SYS_getcwd, reinterpret_cast<long>(folder), sizeof folder);
  const std::size_t sizes[] = {program_size > 0 ? static_cast<std::size_t>(program_size) : 0,
                               folder_size > 0 ? static_cast<std::size_t>(folder_size) - 1 : 0};
  List& list = gathering.list;
  list.number(now());
  list.sizes(sizes[0], sizes[1]);
  list.raw(program, sizes[0]);
  list.raw(folder, sizes[1]);
  return true;
}

// Called with the loader's lock held, so the list is of one moment.
int gather(dl_phdr_info* object, std::size_t, void* argument) {
  auto& gathering = *static_cast<Gathering*>(argument);
  if (!gathering.begun && !begin(gathering, *object)) return 1;
  const BuildId build_id = build_id_of(*object);
  const char* name = object->dlpi_name ? object->dlpi_name : "";
  const std::size_t name_size = length(name);
  for (std::uint32_t i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    List& list = gathering.list;
    if (!list.fits(4 * sizeof(std::uint64_t) + build_id.size + name_size)) return 1;
    const std::uint64_t start = object->dlpi_addr + segment.p_vaddr;
    list.number(start);
    list.number(start + segment.p_memsz);
    list.number(segment.p_offset);
    list.sizes(build_id.size, name_size);
    list.raw(build_id.bytes, build_id.size);
    list.raw(name, name_size);
  }
  return 0;
}

}  // namespace

void forget_modules() { told_loads = told_unloads = 0; }

bool tell_modules() {
  void* memory = sys::map(kListBytes);
  if (!memory) return false;
  Gathering gathering{List(static_cast<unsigned char*>(memory))};
  dl_iterate_phdr(gather, &gathering);
  bool unloaded = false;
  if (gathering.list.size() != 0 && define_modules(gathering.list.bytes(), gathering.list.size())) {
    told_loads = gathering.loads;
    unloaded = told_unloads.exchange(gathering.unloads) != gathering.unloads;
  }
  sys::unmap(memory, kListBytes);
  return unloaded;
}

}  // namespace memray::recorder
