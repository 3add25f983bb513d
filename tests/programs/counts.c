/* Allocates at a known rate until it is ended from outside or by itself, and keeps the count where it survives: in a
 * file that is mapped (argv[1]), as two numbers, allocations and bytes that are live. counts FILE HOW [COUNT]    does
 * COUNT (100000) allocations, then HOW: exit, _exit, abort, kill, segv, or exec=PROGRAM; forever: no end to them;
 * hoard: never frees, no end to it; same: frees at once, no end to it */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include "ledger.h"

struct shared {
  volatile unsigned long long allocations, live;
};

#define SLOTS 1000

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const char* how = argv[2];
  const unsigned long long count = argc > 3 ? strtoull(argv[3], NULL, 10) : 100000;
  const int hoard = !strcmp(how, "hoard");
  const int same = !strcmp(how, "same");
  const int endless = hoard || same || !strcmp(how, "forever");
  const int fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || ftruncate(fd, sizeof(struct shared)) != 0) return 2;
  struct shared* shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (shared == MAP_FAILED) return 2;
  static char* slots[SLOTS];
  static size_t sizes[SLOTS];
  unsigned long long random = 1;
  for (unsigned long long i = 0; endless || i < count; i++) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    const size_t slot = (random >> 33) % SLOTS;
    const size_t size = hoard ? 100000 : same ? 64 : 1 + (random >> 50);
    if (!hoard && slots[slot]) {
      free(slots[slot]);
      shared->live -= sizes[slot];
    }
    slots[slot] = keep(malloc(size));
    sizes[slot] = size;
    if (!slots[slot]) {
      static const char text[] = "no memory\n";
      return write(STDOUT_FILENO, text, sizeof text - 1) > 0 ? 7 : 8;
    }
    if (hoard) memset(slots[slot], 1, size);
    shared->allocations++;
    shared->live += size;
    if (same) {
      free(slots[slot]);
      slots[slot] = NULL;
      shared->live -= size;
    }
  }
  if (!strcmp(how, "exit")) exit(3);
  if (!strcmp(how, "_exit")) _exit(4);
  if (!strcmp(how, "abort")) abort();
  if (!strcmp(how, "kill")) kill(getpid(), SIGKILL);
  if (!strcmp(how, "segv")) *(volatile int*)keep(NULL) = 0;
  if (!strncmp(how, "exec=", 5)) execl(how + 5, how + 5, "1", (char*)NULL);
  return 2;
}
