// Allocations in every place where a program runs outside main: constructors of every kind, destructors of static and
// thread-local objects, atexit handlers. Sizes are multiples of 10007, by which a test tells them from the C++
// runtime's.
#include <cstdlib>
#include <thread>

#include "ledger.h"

namespace {

constexpr std::size_t kUnit = 10007;

void churn(std::size_t units) {
  void* block = keep(std::malloc(units * kUnit));
  note_allocation(LEDGER_MALLOC, units * kUnit);
  std::free(block);
  note_free(units * kUnit);
}

struct Object {
  explicit Object(std::size_t units) : units(units) { churn(units); }
  ~Object() { churn(units); }
  std::size_t units;
};

__attribute__((constructor(101))) void first() { churn(1); }
// The last code of this program that runs: by now everything is in the ledger.
__attribute__((destructor(101))) void last() {
  churn(2);
  ledger_print();
}

Object global(3);
thread_local Object per_thread(4);

Object& local_static() {
  static Object object(5);
  return object;
}

}  // namespace

int main() {
  std::atexit([] { churn(6); });
  std::thread([] { keep(&per_thread); }).join();
  keep(&per_thread);
  keep(&local_static());
  return 0;
}
