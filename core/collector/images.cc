#include "collector/images.h"

#include "collector/line_table.h"

#include <cstring>
#include <string_view>

namespace memray::collector {

namespace {

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Code numbers are given out one by one; one that is far off is damage, not a program with so much code.
constexpr std::uint32_t kMaxCodes = 1u << 26;

}  // namespace

void Image::define(std::span<const std::byte> bytes) {
  std::uint64_t tag = 0;
  if (bytes.size() < sizeof tag) return;
  std::memcpy(&tag, bytes.data(), sizeof tag);
  bytes = bytes.subspan(sizeof tag);
  switch (static_cast<session::Definition>(tag)) {
    case session::Definition::code:
      return define_code(bytes);
    case session::Definition::metadata: {
      const std::string_view text = as_text(bytes);
      const auto zero = text.find('\0');
      if (zero != text.npos) facts.emplace_back(text.substr(0, zero), text.substr(zero + 1));
      return;
    }
    case session::Definition::warning:
      warnings.emplace_back(as_text(bytes));
      return;
    case session::Definition::modules:
      return modules_.add(bytes);
    case session::Definition::thread:
      return define_thread_name(bytes);
    case session::Definition::type:
      return define_type(bytes);
  }
}

void Image::define_code(std::span<const std::byte> bytes) {
  struct {
    std::uint32_t number, first_line, line_table_kind, name, qualified_name, file, line_table;
  } sizes;
  if (bytes.size() < sizeof sizes) return;
  std::memcpy(&sizes, bytes.data(), sizeof sizes);
  bytes = bytes.subspan(sizeof sizes);
  const std::uint64_t total = std::uint64_t{sizes.name} + sizes.qualified_name + sizes.file + sizes.line_table;
  if (total != bytes.size() || sizes.number >= kMaxCodes) return;

  auto take = [&](std::uint32_t size) {
    const auto part = bytes.first(size);
    bytes = bytes.subspan(size);
    return part;
  };
  Code code;
  code.known = true;
  code.name = definitions_->add_string(as_text(take(sizes.name)));
  take(sizes.qualified_name);
  code.file = definitions_->add_string(as_text(take(sizes.file)));
  code.first_line = sizes.first_line;
  code.line_table_kind = static_cast<memray_line_table>(sizes.line_table_kind);
  const auto table = take(sizes.line_table);
  const auto* begin = reinterpret_cast<const std::uint8_t*>(table.data());
  code.line_table.assign(begin, begin + table.size());
  if (sizes.number >= codes_.size()) codes_.resize(sizes.number + 1);
  codes_[sizes.number] = std::move(code);
}

void Image::define_thread_name(std::span<const std::byte> bytes) {
  session::ThreadName whose;
  if (bytes.size() < sizeof whose) return;
  std::memcpy(&whose, bytes.data(), sizeof whose);
  thread_names.emplace_back(whose, definitions_->add_string(as_text(bytes.subspan(sizeof whose))));
}

void Image::define_type(std::span<const std::byte> bytes) {
  std::uint32_t number = 0;
  if (bytes.size() < sizeof number) return;
  std::memcpy(&number, bytes.data(), sizeof number);
  if (number >= kMaxCodes) return;
  if (number >= types_.size()) types_.resize(number + 1, kNoString);
  types_[number] = definitions_->add_string(as_text(bytes.subspan(sizeof number)));
}

StringId Image::type(std::uint32_t number) const {
  if (number < types_.size() && types_[number] != kNoString) return types_[number];
  return parent_ ? parent_->type(number) : kNoString;
}

// A fork goes on with the numbers of its parent, and describes what it adds under the next ones.
const Code* Image::code(std::uint32_t number) const {
  if (number < codes_.size() && codes_[number].known) return &codes_[number];
  return parent_ ? parent_->code(number) : nullptr;
}

// A fork has the modules of its parent until it loads or unloads some itself, and tells of all it has.
ModuleTimeline::Place Image::place(std::uint64_t address) const {
  const auto found = modules_.find(address);
  return found.module != kNoModule || found.own || !parent_ ? found : parent_->place(address);
}

FrameId Image::make_frame(std::uint32_t stack_kind, std::uint64_t word) {
  Frame frame;
  if (stack_kind == MEMRAY_STACK_NATIVE) {
    const auto [module, own] = place(word - 1);  // a call may be the last instruction of its module
    if (own) return kOwnFrame;
    frame.kind = FrameKind::native;
    frame.module = module;
    frame.address = word;
    return definitions_->add_frame(frame);
  }
  const auto number = static_cast<std::uint32_t>((word & ~MEMRAY_PYTHON_ENTRY_FRAME) >> 32);
  frame.kind = FrameKind::python;
  // Only together with native frames is it of interest, and without, frames that differ in it alone are one.
  frame.entry = has_modules() && (word & MEMRAY_PYTHON_ENTRY_FRAME) != 0;
  if (const Code* found = code(number)) {
    frame.location.function = found->name;
    frame.location.file = found->file;
    frame.location.line =
        line_of(found->line_table_kind, found->line_table, found->first_line, static_cast<std::uint32_t>(word));
  }
  return definitions_->add_frame(frame);
}

}  // namespace memray::collector
