// What memray has to know about an ELF file without running any of it.
//
// Two questions are asked of files before memray lets them do anything. Of a plugin: which ABI was it built for? dlopen
// would run its constructors before anybody could ask, so the descriptor is read from the file instead: symbol table,
// then the bytes the symbol names, then the relocations that fill in its pointers. Of a program to record: can the
// recorder be loaded into it at all? Program headers answer that (a static program has no PT_INTERP).
//
// Only files of this machine's own kind are looked into; of others no more is read than what they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace memray {

class ElfFile {
 public:
  // What a file is, from its first bytes.
  enum class Format { not_elf, foreign, native };

  // The file cannot be read (errno value), or holds too little.
  static std::optional<ElfFile> open(const std::filesystem::path& file, int& error);

  Format format() const { return format_; }
  // Of a foreign file: "32-bit x86", "AArch64", ...
  std::string foreign_kind() const;

  // The dynamic loader it asks for; "" if it is static, or a shared library.
  std::string interpreter() const;

  // Address of a dynamic symbol defined here.
  std::optional<std::uint64_t> find_symbol(std::string_view name) const;

  // Whether a dynamic symbol for which `wanted(name)` is true is defined or needed here.
  bool mentions(bool (*wanted)(std::string_view name)) const;

  // The bytes that will lie at `address` before relocation, to the end of what the file provides there.
  std::span<const std::byte> bytes_at(std::uint64_t address) const;
  // The address (relative to the load address) that the pointer at `address` will hold; 0 for a null pointer and for
  // one that points into another object.
  std::uint64_t pointer_at(std::uint64_t address) const;
  // A NUL-terminated string.
  std::optional<std::string> string_at(std::uint64_t address) const;

 private:
  ElfFile() = default;
  template <typename T>
  std::span<const T> table(std::uint64_t offset, std::uint64_t count) const;
  template <typename T>
  std::span<const T> section(std::uint32_t type) const;
  template <typename Visit>
  void visit_symbols(Visit visit) const;

  std::shared_ptr<const std::byte> mapping_;
  std::span<const std::byte> bytes_;
  Format format_ = Format::not_elf;
};

}  // namespace memray
