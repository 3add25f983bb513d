/* Mappings, anonymous and of files: whole, cut at either end, cut in the middle, replaced by MAP_FIXED, refused. What
 * became of them is asked of the kernel, too. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>

#include "ledger.h"

static char* map(void* address, size_t length, int flags) {
  char* mapping = mmap(address, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  if (mapping == MAP_FAILED) _exit(98);
  note_allocation(flags & MAP_FIXED ? LEDGER_MMAP_FIXED : LEDGER_MMAP, length);
  return mapping;
}

static char* map_file(void* address, size_t length, int flags, int fd) {
  char* mapping = mmap(address, length, PROT_READ, MAP_PRIVATE | flags, fd, 0);
  if (mapping == MAP_FAILED) _exit(98);
  note_allocation(flags & MAP_FIXED ? LEDGER_MMAP_FILE_FIXED : LEDGER_MMAP_FILE, length);
  return mapping;
}

/* Bytes of the range that /proc/self/maps has: of files if `file`, else anonymous ones. */
static size_t mapped(const char* start, size_t length, int file) {
  static char text[1 << 16];
  size_t used = 0, sum = 0;
  const int fd = open("/proc/self/maps", O_RDONLY);
  for (ssize_t got; (got = read(fd, text + used, sizeof text - 1 - used)) > 0;) used += (size_t)got;
  close(fd);
  text[used] = 0;
  for (char* line = text; *line; line = strchr(line, '\n') + 1) {
    unsigned long from, to, inode;
    if (sscanf(line, "%lx-%lx %*s %*s %*s %lu", &from, &to, &inode) != 3 || (inode != 0) != file) continue;
    if (from < (unsigned long)start) from = (unsigned long)start;
    if (to > (unsigned long)start + length) to = (unsigned long)start + length;
    if (from < to) sum += to - from;
  }
  return sum;
}

int main(void) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);

  char* whole = map(NULL, 10 * page, 0);
  if (munmap(whole, 10 * page)) return 1;
  note_free(10 * page);

  char* cut = map(NULL, 9 * page, 0);
  if (munmap(cut, page)) return 1; /* at the front */
  note_shrink(page);
  if (munmap(cut + 8 * page, page)) return 1; /* at the end */
  note_shrink(page);
  if (munmap(cut + 4 * page, page)) return 1; /* in the middle: two pieces */
  note_shrink(page);
  if (munmap(cut, 9 * page)) return 1; /* what is left, holes included */
  note_free(6 * page);

  char* under = map(NULL, 5 * page, 0);
  note_free(5 * page); /* MAP_FIXED takes its place, all of it */
  if (map(under, 5 * page, MAP_FIXED) != under) return 1;

  if (mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) return 1;
  if (munmap(under + 1, page) == 0) return 1; /* not aligned: refused, and nothing is gone */

  const int file = open("/proc/self/exe", O_RDONLY);
  char* of_file = map_file(NULL, 4 * page, 0, file);
  if (munmap(of_file + page, page)) return 1;
  note_shrink(page);
  if (mapped(of_file, 4 * page, 1) != 3 * page) return 2;
  if (munmap(of_file, 4 * page)) return 1;
  note_free(3 * page);

  char* both = map(NULL, 6 * page, 0);
  note_shrink(2 * page);
  map_file(both + 2 * page, 2 * page, MAP_FIXED, file); /* takes the place of what is in the middle */
  if (mapped(both, 6 * page, 0) != 4 * page || mapped(both, 6 * page, 1) != 2 * page) return 2;
  if (mmap(both, page, PROT_READ, MAP_PRIVATE | MAP_FIXED, -1, 0) != MAP_FAILED) return 1; /* no file: refused */
  if (mmap(both, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != MAP_FAILED) return 1;
  if (mapped(both, 6 * page, 0) != 4 * page || mapped(both, 6 * page, 1) != 2 * page) return 2;
  close(file);

  ledger_print(); /* eleven pages leak, two of them of a file */
  return 0;
}
