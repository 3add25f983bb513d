// Call frame information made by hand, as bytes: what the parts of the unwinder make of it.
#include <catch2/catch.hpp>

#include "frame_description.h"
#include "rule.h"
#include "rule_cache.h"
#include "step.h"

#include <cstring>
#include <memory>
#include <vector>

using namespace memray;
using namespace memray::native;

namespace {

using ByteList = std::vector<std::uint8_t>;

constexpr std::uint32_t kBack = 16;  // the return address, in any code of the test
constexpr std::uint32_t kFp = machine::kFramePointer;
constexpr std::uint32_t kSp = machine::kStackPointer;
constexpr Word kCode = 0x1000;

// The rules at kCode + offset for instructions `own`, after the usual ones of a CIE.
std::unique_ptr<RuleScratch> rules_for(const ByteList& own, Word offset, bool* valid = nullptr) {
  static const ByteList kCommon = {0x0c, kSp, 8, 0x80 | kBack, 1};  // CFA = sp + 8, return address at CFA - 8
  FrameDescription description;
  description.begin = kCode;
  description.end = kCode + 0x1000;
  description.common = {kCommon.data(), kCommon.data() + kCommon.size()};
  description.own = {own.data(), own.data() + own.size()};
  description.data_alignment = -8;
  description.return_address_register = kBack;
  auto scratch = std::make_unique<RuleScratch>();
  const bool found = find_frame_rules(description, kCode + offset, *scratch);
  if (valid) {
    *valid = found;
  } else {
    REQUIRE(found);
  }
  return scratch;
}

Rule compiled(const ByteList& own, Word offset, bool signal_frame = false) {
  FrameDescription description;
  description.return_address_register = kBack;
  description.signal_frame = signal_frame;
  return compile(description, rules_for(own, offset)->rules);
}

// push rbp; mov rbp, rsp; ...; pop rbp; ret
const ByteList kFunction = {0x41, 0x0e, 16, 0x80 | kFp, 2, 0x43, 0x0d, kFp, 0x02, 200, 0x0c, kSp, 8};

Memory& memory() {
  static Memory all{};
  all.trust();
  return all;
}

Evaluation run(ByteList expression, Word& result, const Registers& registers = {}, const Word* first = nullptr) {
  expression.insert(expression.begin(), static_cast<std::uint8_t>(expression.size()));
  return evaluate(expression.data(), first, registers, memory(), result);
}

}  // namespace

TEST_CASE("rules change as a function goes on") {
  CHECK(compiled(kFunction, 0) == Rule::simple(false, 8, -8, false, 0));
  CHECK(compiled(kFunction, 1) == Rule::simple(false, 16, -8, true, -16));
  CHECK(compiled(kFunction, 3) == Rule::simple(false, 16, -8, true, -16));
  CHECK(compiled(kFunction, 4) == Rule::simple(true, 16, -8, true, -16));
  CHECK(compiled(kFunction, 203) == Rule::simple(true, 16, -8, true, -16));
  CHECK(compiled(kFunction, 204) == Rule::simple(false, 8, -8, true, -16));
}

TEST_CASE("states are remembered and restored, the frame's address included") {
  const ByteList own = {0x0a, 0x0e, 64, 0x80 | kFp, 3, 0x41, 0x0b, 0x41, 0xc0 | kBack};
  CHECK(compiled(own, 0) == Rule::simple(false, 64, -8, true, -24));
  CHECK(compiled(own, 1) == Rule::simple(false, 8, -8, false, 0));
  CHECK(compiled(own, 2) == Rule::simple(false, 8, -8, false, 0));
}

TEST_CASE("a restored register has the rule of the common entry") {
  CHECK(compiled({0x05, kBack, 4, 0x41, 0x06, kBack}, 0) == Rule::simple(false, 8, -32, false, 0));
  CHECK(compiled({0x05, kBack, 4, 0x41, 0x06, kBack}, 1) == Rule::simple(false, 8, -8, false, 0));
}

TEST_CASE("long locations and signed forms") {
  const ByteList own = {0x03, 0x2c, 0x01, 0x12, kFp, 0x7e, 0x04, 0, 2, 0, 0, 0x13, 0x7d, 0x11, kFp, 0x02};
  CHECK(compiled(own, 299) == Rule::simple(false, 8, -8, false, 0));
  CHECK(compiled(own, 300) == Rule::simple(true, 16, -8, false, 0));
  CHECK(compiled(own, 812) == Rule::simple(true, 24, -8, true, -16));
}

TEST_CASE("what a word cannot say is complex") {
  CHECK(compiled({0x07, kBack}, 0).kind() == RuleKind::end);
  CHECK(compiled({0x0d, 3}, 0).kind() == RuleKind::complex);
  CHECK(compiled({0x0f, 2, 0x77, 8}, 0).kind() == RuleKind::complex);
  CHECK(compiled({0x10, kFp, 2, 0x76, 0}, 0).kind() == RuleKind::complex);
  CHECK(compiled({0x09, kBack, 3}, 0).kind() == RuleKind::complex);
  CHECK(compiled({0x80 | kSp, 2}, 0).kind() == RuleKind::complex);
  CHECK(compiled({0x0e, 0x80, 0x80, 0x80, 0x80, 0x01}, 0).kind() == RuleKind::complex);
  CHECK(compiled({}, 0, true).kind() == RuleKind::complex);
}

TEST_CASE("instructions that are unknown or out of place are refused") {
  for (const ByteList& own : {ByteList{0x3f}, ByteList{0x0b}, ByteList(9, 0x0a), ByteList{0x0c, 99, 8}}) {
    bool valid = true;
    rules_for(own, 0, &valid);
    CHECK_FALSE(valid);
  }
}

TEST_CASE("a rule keeps the extremes of its fields") {
  const auto check = [](bool from_fp, std::int64_t cfa, std::int64_t back, bool saved, std::int64_t fp) {
    const Rule rule = Rule::simple(from_fp, cfa, back, saved, fp);
    CHECK(rule.kind() == RuleKind::simple);
    CHECK(rule.from_frame_pointer() == from_fp);
    CHECK(rule.frame_pointer_saved() == saved);
    CHECK(rule.cfa_offset() == cfa);
    CHECK(rule.return_address_offset() == back);
    CHECK(rule.frame_pointer_offset() == fp);
  };
  check(false, Rule::kLargestCfaOffset, -Rule::kLargestSlotOffset, true, Rule::kLargestSlotOffset);
  check(true, -Rule::kLargestCfaOffset, Rule::kLargestSlotOffset, false, -Rule::kLargestSlotOffset);
  check(true, 16, -8, true, -16);
}

TEST_CASE("expressions compute") {
  Word result = 0;
  const auto value_of = [&](const ByteList& expression) {
    CHECK(run(expression, result) == Evaluation::done);
    return result;
  };
  CHECK(value_of({0x35, 0x33, 0x1c}) == 2);                               // 5 3 minus
  CHECK(value_of({0x09, 0xfb, 0x19}) == 5);                               // -5 abs
  CHECK(value_of({0x31, 0x32, 0x33, 0x17, 0x1c, 0x1e}) == Word(-1) * 3);  // 1 2 3 rot: 3 1 2; minus, times
  CHECK(value_of({0x38, 0x34, 0x1b}) == 2);                               // 8 4 div
  CHECK(value_of({0x38, 0x33, 0x24}) == 64);                              // 8 3 shl
  CHECK(value_of({0x09, 0xf8, 0x31, 0x26}) == Word(-4));                  // -8 1 shra
  CHECK(value_of({0x30, 0x20}) == ~Word{0});                              // 0 not
  CHECK(value_of({0x0a, 0x34, 0x12, 0x23, 0x80, 0x01}) == 0x12b4);        // plus_uconst 128
  CHECK(value_of({0x31, 0x28, 1, 0, 0x3f, 0x35}) == 5);                   // 1 bra +1 over lit15
  CHECK(value_of({0x36, 0x35, 0x14, 0x13, 0x13}) == 6);                   // over drop drop
  CHECK(run({0x22}, result) == Evaluation::failed);                       // nothing to add
  CHECK(run({0x38, 0x30, 0x1b}, result) == Evaluation::failed);           // division by zero
  CHECK(run({0x30, 0x06}, result) == Evaluation::failed);                 // a word at address 0
  CHECK(run({0x2f, 0xfd, 0xff}, result) == Evaluation::failed);           // goes in circles
  CHECK(run({0xff}, result) == Evaluation::failed);
}

TEST_CASE("expressions read registers and memory") {
  const Word words[] = {11, 22, 33};
  Registers registers{};
  registers.set(kSp, reinterpret_cast<Word>(words));
  Word result = 0;
  CHECK(run({0x70 + kSp, 8, 0x06}, result, registers) == Evaluation::done);
  CHECK(result == 22);
  CHECK(run({0x92, kSp, 16, 0x94, 1}, result, registers) == Evaluation::done);
  CHECK(result == 33);
  CHECK(run({0x70 + 3, 0}, result, registers) == Evaluation::needs_registers);
  const Word first = 100;
  CHECK(run({0x23, 5}, result, registers, &first) == Evaluation::done);
  CHECK(result == 105);
}

TEST_CASE("a step takes all registers along that the callee has kept") {
  FrameDescription description;
  description.return_address_register = kBack;
  const auto scratch = rules_for({0x0c, kSp, 32, 0x80 | 3, 2, 0x80 | kFp, 3}, 0);
  const Word stack[] = {0, 77, 66, 0x4000};  // ..., frame pointer, register 3, return address
  Registers registers{};
  registers.set(kSp, reinterpret_cast<Word>(stack));
  registers.set(kFp, 1);
  registers.set(12, 12);
  registers.set(0, 5);  // nobody keeps it
  REQUIRE(step(description, scratch->rules, registers, memory()) == Step::caller);
  CHECK(registers.pc == 0x4000);
  CHECK(registers.value[kSp] == reinterpret_cast<Word>(stack + 4));
  CHECK(registers.value[kFp] == 77);
  CHECK(registers.value[3] == 66);
  CHECK(registers.value[12] == 12);
  CHECK_FALSE(registers.has(0));
  CHECK_FALSE(registers.interrupted);
}

TEST_CASE("memory that is not there ends a step, and nothing else") {
  FrameDescription description;
  description.return_address_register = kBack;
  const auto scratch = rules_for({}, 0);
  for (const Word address : {Word{0}, Word{8}, Word{0x1000}, ~Word{0} - 7, Word{1} << 60}) {
    Registers registers{};
    registers.set(kSp, address);
    CHECK(step(description, scratch->rules, registers, memory()) == Step::broken);
  }
}

TEST_CASE("entries are found in a table as linkers write it") {
  // .eh_frame at 64: a CIE and two FDEs; their functions at 4096 and 8192 bytes behind the header.
  alignas(8) std::uint8_t image[256] = {1, 0x1b, 0x03, 0x3b};
  const auto put = [&](std::uint32_t at, std::int32_t value) { std::memcpy(image + at, &value, sizeof value); };
  put(4, 64 - 4);
  put(8, 2);
  put(12, 4096), put(16, 88);
  put(20, 8192), put(24, 108);
  const std::uint8_t common[] = {20, 0,    0,     0, 0,    0,    0,   0, 1,    'z', 'R', 0,
                                 1,  0x78, kBack, 1, 0x1b, 0x0c, kSp, 8, 0x90, 1,   0,   0};
  std::memcpy(image + 64, common, sizeof common);
  const auto put_description = [&](std::uint32_t at, std::int32_t function) {
    put(at, 16);
    put(at + 4, static_cast<std::int32_t>(at + 4 - 64));
    put(at + 8, function - static_cast<std::int32_t>(at + 8));
    put(at + 12, 100);
    image[at + 16] = 0;
  };
  put_description(88, 4096);
  put_description(108, 8192);
  const Word base = reinterpret_cast<Word>(image);
  FrameDescription found;
  for (const Word function : {Word{4096}, Word{8192}}) {
    for (const Word inside : {Word{0}, Word{99}}) {
      REQUIRE(find_frame_description(image, base + function + inside, found));
      CHECK(found.begin == base + function);
      CHECK(found.end == base + function + 100);
      CHECK(found.return_address_register == kBack);
      CHECK(found.data_alignment == -8);
    }
    CHECK_FALSE(find_frame_description(image, base + function - 1, found));
    CHECK_FALSE(find_frame_description(image, base + function + 100, found));
  }
  image[3] = 0xff;  // no table
  CHECK_FALSE(find_frame_description(image, base + 4096, found));
}

TEST_CASE("the table tells generations apart, and never another address's rule") {
  std::vector<std::uint64_t> memory(RuleTable::bytes(RuleTable::kLargest) / sizeof(std::uint64_t));
  RuleTable& table = *RuleTable::make(memory.data(), RuleTable::kLargest);
  const auto rule_of = [](Word pc) {
    return Rule::simple(pc % 2 != 0, static_cast<std::int64_t>(pc % 4096), -8, true, -16);
  };
  for (Word pc = 1; pc <= 200'000; pc += 3) {
    const std::uint64_t key = RuleTable::key(pc, 1);
    CHECK(table.rule_in(table.add(key, rule_of(pc)), key) == rule_of(pc));
  }
  std::size_t kept = 0;
  for (Word pc = 1; pc <= 200'000; ++pc) {
    const std::uint64_t key = RuleTable::key(pc, 1);
    const std::uint32_t slot = table.find(key);
    CHECK(table.find(RuleTable::key(pc, 2)) == RuleTable::kNowhere);
    if (slot == RuleTable::kNowhere) continue;
    CHECK(pc % 3 == 1);
    CHECK(table.rule_in(slot, key) == rule_of(pc));
    CHECK(table.rule_in(slot, RuleTable::key(pc, 2)).kind() == RuleKind::none);
    ++kept;
  }
  CHECK(kept > 30'000);
}

TEST_CASE("a table that fills up makes way for a larger one, and stays readable") {
  static std::vector<std::vector<std::uint64_t>> maps;
  static bool full;
  memray_unwinder_host host{};
  host.map = [](std::size_t bytes) -> void* {
    return full ? nullptr : maps.emplace_back(bytes / sizeof(std::uint64_t)).data();
  };
  RuleCache cache;
  REQUIRE(cache.begin(host));
  RuleTable& first = cache.table();
  Word pc = 1;
  const auto fill = [&](RuleTable& table) {
    while (!table.is_crowded()) table.add(RuleTable::key(pc++, 1), Rule(RuleKind::end));
  };
  fill(first);
  full = true;
  cache.grow_if_crowded(first);
  CHECK(&cache.table() == &first);
  full = false;
  cache.grow_if_crowded(first);
  RuleTable& second = cache.table();
  CHECK(second.slots() == 4 * first.slots());
  cache.grow_if_crowded(first);  // of a thread that has not noticed yet
  CHECK(&cache.table() == &second);
  CHECK(first.find(RuleTable::key(pc - 1, 1)) != RuleTable::kNowhere);
  fill(second);
  cache.grow_if_crowded(second);
  CHECK(cache.table().slots() == RuleTable::kLargest);
  for (; pc < 200'000; ++pc) cache.table().add(RuleTable::key(pc, 1), Rule(RuleKind::end));
  CHECK_FALSE(cache.table().is_crowded());
}
