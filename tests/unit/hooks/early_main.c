/* Runs with early.so: a malloc before the plugin has been relocated must work. */
#include "recorder.h"

int early_call(void);

int main(int argc, char** argv) {
  (void)argc;
  recorder_start(argv[1]);
  CHECK(early_call() == 42);
  free(keep(malloc(1)));
  CHECK(seen_count == 2);
  return 0;
}
