// Reading words that may not be there.
//
// An unwinder follows pointers that it found on a stack. Where all is well, they point into the live part of the stack.
// Where it is not (code without unwind information, a register that is no frame pointer), they point anywhere, and a
// profiler must not crash the program it looks at. Bounds of stacks are of no help: programs switch to stacks of their
// own, and nobody announces those.
//
// So a page is read only after the kernel was seen to read from it. That costs a system call for each page the first
// time, and a compare from then on. A page that was readable once may be gone by now; that matters only for pointers
// that were guessed, since those that unwind information leads to are in use. After a guess the kernel is asked again,
// for each page on the way. Most words are on the page of the word before.
#pragma once

#include <memray/system_call.h>

#include <cstdint>

namespace memray {

using Word = std::uintptr_t;
using StackWord [[gnu::may_alias]] = const Word;  // a word of somebody else's memory, whatever type it has there

class Memory {
 public:
  // False: there is nothing to read at `address`.
  bool read(Word address, Word& value) {
    if (__builtin_expect(address - window_ > kPage - sizeof(Word), false) && !look(address)) return false;
    value = *reinterpret_cast<StackWord*>(address);
    return true;
  }

  void distrust() {
    trusted_ = false;
    last_ = 0;
    window_ = nowhere();
  }
  // Before the first word is read, and after a guess.
  void trust() {
    if (!trusted_) window_ = nowhere();
    trusted_ = true;
  }

 private:
  static constexpr Word kPage = 4096;
  static constexpr Word kPages = 512;

  __attribute__((noinline)) bool look(Word address) {
    const Word page = address / kPage;
    const Word last = (address + sizeof(Word) - 1) / kPage;
    if (!is_readable(page) || (last != page && !is_readable(last))) return false;
    if (trusted_ && last == page) window_ = page * kPage;
    return true;
  }

  // Page 0 is readable to nobody.
  bool is_readable(Word page) {
    if (page == 0) return false;
    return __builtin_expect(trusted_ ? known_[page % kPages] == ~page : last_ == page, true) || ask_kernel(page);
  }

  // A signal mask is read before the unknown "how" is refused.
  __attribute__((noinline, cold)) bool ask_kernel(Word page) {
    constexpr long kFault = -14;
    if (sys::call(SYS_rt_sigprocmask, ~0l, static_cast<long>(page * kPage), 0, 8) == kFault) return false;
    known_[page % kPages] = ~page;
    last_ = page;
    return true;
  }

  // As much memory as a page has, which is readable and no stack.
  Word nowhere() const { return reinterpret_cast<Word>(known_); }

  Word known_[kPages];  // inverted page numbers, each at its own modulo kPages
  Word last_;           // the page asked for last
  Word window_;         // the page read from last, if it is trusted
  bool trusted_;
};

}  // namespace memray
