/* Allocates, then replaces itself, as often as its argument says. The ledger printed is that of the last image, whose
 * start is an empty heap; `bytes` of each image is what it allocated. */
#define _GNU_SOURCE
#include "ledger.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  int left = atoi(argv[1]);
  for (int i = 0; i < 100; i++) {
    keep(malloc(10007));
    note_allocation(LEDGER_MALLOC, 10007);
  }
  if (left == 0) {
    ledger_print();
    return 0;
  }
  char number[16];
  snprintf(number, sizeof number, "%d", left - 1);
  execl(argv[0], argv[0], number, (char*)NULL);
  return 1;
}
