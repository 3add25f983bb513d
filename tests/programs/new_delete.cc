// C++ operators: plain, array, aligned, nothrow, sized. Sizes are multiples of 10007, by which a test tells them from
// the C++ runtime's.
#include <new>

#include "ledger.h"

namespace {

constexpr std::size_t kUnit = 10007;

void* took(ledger_kind kind, void* pointer, std::size_t size) {
  note_allocation(kind, size);
  return keep(pointer);
}

}  // namespace

int main() {
  void* plain = took(LEDGER_MALLOC, ::operator new(kUnit), kUnit);
  void* array = took(LEDGER_MALLOC, ::operator new[](2 * kUnit), 2 * kUnit);
  void* quiet = took(LEDGER_MALLOC, ::operator new(3 * kUnit, std::nothrow), 3 * kUnit);
  void* sized = took(LEDGER_MALLOC, ::operator new(5 * kUnit), 5 * kUnit);
  ::operator delete(plain), note_free(kUnit);
  ::operator delete[](array), note_free(2 * kUnit);
  ::operator delete(quiet, std::nothrow), note_free(3 * kUnit);
  ::operator delete(sized, 5 * kUnit), note_free(5 * kUnit);
  ledger_print();
  return 0;
}
