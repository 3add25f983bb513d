/* pairs N: calls malloc and free N times, for counting instructions. */
#include <stdlib.h>
int main(int argc, char** argv) {
  (void)argc;
  for (long n = atol(argv[1]); n > 0; --n) {
    void* p = malloc(100);
    __asm__ volatile("" : "+r"(p) : : "memory");
    free(p);
  }
  return 0;
}
