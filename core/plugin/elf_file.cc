#include "plugin/elf_file.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>

namespace memray {
namespace {

#if defined(__x86_64__)
constexpr std::uint16_t kMachine = EM_X86_64;
constexpr std::uint32_t kRelative = R_X86_64_RELATIVE;
constexpr std::uint32_t kAbsolute = R_X86_64_64;
#elif defined(__aarch64__)
constexpr std::uint16_t kMachine = EM_AARCH64;
constexpr std::uint32_t kRelative = R_AARCH64_RELATIVE;
constexpr std::uint32_t kAbsolute = R_AARCH64_ABS64;
#else
#error "memray knows x86-64 and AArch64"
#endif

constexpr unsigned char kByteOrder = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;

bool is_elf(std::span<const std::byte> bytes) {
  return bytes.size() >= EI_NIDENT && std::memcmp(bytes.data(), ELFMAG, SELFMAG) == 0;
}

ElfFile::Format format_of(std::span<const std::byte> bytes) {
  if (!is_elf(bytes)) return ElfFile::Format::not_elf;
  const auto* ident = reinterpret_cast<const unsigned char*>(bytes.data());
  if (bytes.size() < sizeof(Elf64_Ehdr) || ident[EI_CLASS] != ELFCLASS64 || ident[EI_DATA] != kByteOrder)
    return ElfFile::Format::foreign;
  return reinterpret_cast<const Elf64_Ehdr*>(bytes.data())->e_machine == kMachine ? ElfFile::Format::native
                                                                                  : ElfFile::Format::foreign;
}

std::string machine_name(std::uint16_t machine) {
  switch (machine) {
    case EM_386:
      return "x86";
    case EM_X86_64:
      return "x86-64";
    case EM_ARM:
      return "ARM";
    case EM_AARCH64:
      return "AArch64";
    case EM_RISCV:
      return "RISC-V";
    case EM_PPC64:
      return "PowerPC";
    case EM_S390:
      return "s390";
    default:
      return "machine type " + std::to_string(machine);
  }
}

}  // namespace

std::optional<ElfFile> ElfFile::open(const std::filesystem::path& file, int& error) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (fd < 0 || fstat(fd, &status) != 0) {
    error = errno;
    if (fd >= 0) close(fd);
    return std::nullopt;
  }
  ElfFile elf;
  const auto size = static_cast<std::size_t>(status.st_size);
  if (S_ISREG(status.st_mode) && size > 0) {
    void* address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (address == MAP_FAILED) {
      error = errno;
      close(fd);
      return std::nullopt;
    }
    elf.mapping_.reset(static_cast<const std::byte*>(address),
                       [size](const std::byte* p) { munmap(const_cast<std::byte*>(p), size); });
    elf.bytes_ = {elf.mapping_.get(), size};
  }
  close(fd);
  elf.format_ = format_of(elf.bytes_);
  return elf;
}

std::string ElfFile::foreign_kind() const {
  if (format_ != Format::foreign || bytes_.size() < sizeof(Elf32_Ehdr)) return "incomplete ELF file";
  const auto* ident = reinterpret_cast<const unsigned char*>(bytes_.data());
  auto machine = reinterpret_cast<const Elf32_Ehdr*>(bytes_.data())->e_machine;  // same place in both classes
  if (ident[EI_DATA] != kByteOrder) machine = static_cast<std::uint16_t>((machine >> 8) | (machine << 8));
  const std::string bits = ident[EI_CLASS] == ELFCLASS32 ? "32-bit " : "";
  return bits + machine_name(machine);
}

template <typename T>
std::span<const T> ElfFile::table(std::uint64_t offset, std::uint64_t count) const {
  if (offset > bytes_.size() || count > (bytes_.size() - offset) / sizeof(T) || offset % alignof(T) != 0) return {};
  return {reinterpret_cast<const T*>(bytes_.data() + offset), count};
}

// The first section of a type, as a table.
template <typename T>
std::span<const T> ElfFile::section(std::uint32_t type) const {
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(bytes_.data());
  for (const auto& s : table<Elf64_Shdr>(header->e_shoff, header->e_shnum))
    if (s.sh_type == type) return table<T>(s.sh_offset, s.sh_size / sizeof(T));
  return {};
}

std::string ElfFile::interpreter() const {
  if (format_ != Format::native) return {};
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(bytes_.data());
  for (const auto& segment : table<Elf64_Phdr>(header->e_phoff, header->e_phnum)) {
    if (segment.p_type != PT_INTERP) continue;
    const auto text = table<char>(segment.p_offset, segment.p_filesz);
    return {text.data(), strnlen(text.data(), text.size())};
  }
  return {};
}

// Calls visit(symbol, name) for the dynamic symbols until it returns true.
template <typename Visit>
void ElfFile::visit_symbols(Visit visit) const {
  if (format_ != Format::native) return;
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(bytes_.data());
  const auto sections = table<Elf64_Shdr>(header->e_shoff, header->e_shnum);
  for (const auto& s : sections) {
    if (s.sh_type != SHT_DYNSYM || s.sh_link >= sections.size()) continue;
    const auto strings = table<char>(sections[s.sh_link].sh_offset, sections[s.sh_link].sh_size);
    for (const auto& symbol : table<Elf64_Sym>(s.sh_offset, s.sh_size / sizeof(Elf64_Sym))) {
      if (symbol.st_name >= strings.size()) continue;
      const auto rest = strings.subspan(symbol.st_name);
      if (visit(symbol, std::string_view(rest.data(), strnlen(rest.data(), rest.size())))) return;
    }
  }
}

std::optional<std::uint64_t> ElfFile::find_symbol(std::string_view name) const {
  std::optional<std::uint64_t> found;
  visit_symbols([&](const Elf64_Sym& symbol, std::string_view candidate) {
    if (symbol.st_shndx != SHN_UNDEF && candidate == name) found = symbol.st_value;
    return found.has_value();
  });
  return found;
}

bool ElfFile::mentions(bool (*wanted)(std::string_view)) const {
  bool found = false;
  visit_symbols([&](const Elf64_Sym&, std::string_view name) { return found = wanted(name); });
  return found;
}

std::span<const std::byte> ElfFile::bytes_at(std::uint64_t address) const {
  if (format_ != Format::native) return {};
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(bytes_.data());
  for (const auto& segment : table<Elf64_Phdr>(header->e_phoff, header->e_phnum)) {
    if (segment.p_type != PT_LOAD || address < segment.p_vaddr || address - segment.p_vaddr >= segment.p_filesz)
      continue;
    const std::uint64_t skip = address - segment.p_vaddr;
    return table<std::byte>(segment.p_offset + skip, segment.p_filesz - skip);
  }
  return {};
}

std::uint64_t ElfFile::pointer_at(std::uint64_t address) const {
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(bytes_.data());
  if (format_ != Format::native) return 0;
  for (const auto& s : table<Elf64_Shdr>(header->e_shoff, header->e_shnum)) {
    if (s.sh_type != SHT_RELA) continue;
    for (const auto& relocation : table<Elf64_Rela>(s.sh_offset, s.sh_size / sizeof(Elf64_Rela))) {
      if (relocation.r_offset != address) continue;
      const auto type = static_cast<std::uint32_t>(ELF64_R_TYPE(relocation.r_info));
      const auto addend = static_cast<std::uint64_t>(relocation.r_addend);
      if (type == kRelative) return addend;
      const auto symbols = section<Elf64_Sym>(SHT_DYNSYM);
      const auto number = ELF64_R_SYM(relocation.r_info);
      if (type != kAbsolute || number >= symbols.size() || symbols[number].st_shndx == SHN_UNDEF) return 0;
      return symbols[number].st_value + addend;
    }
  }
  // No entry of its own: null, or one of the packed relative relocations (SHT_RELR), whose addend is in place.
  std::uint64_t value = 0;
  const auto bytes = bytes_at(address);
  if (bytes.size() >= sizeof(value)) std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

std::optional<std::string> ElfFile::string_at(std::uint64_t address) const {
  const auto bytes = bytes_at(address);
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  const std::size_t length = bytes.empty() ? 0 : strnlen(text, bytes.size());
  if (length == bytes.size()) return std::nullopt;
  return std::string(text, length);
}

}  // namespace memray
