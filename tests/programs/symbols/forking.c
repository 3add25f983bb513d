// Allocates once before and once after a fork, there in the child.
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void* volatile kept;

__attribute__((noinline)) static void allocate(size_t size) { kept = malloc(size); }

int main(void) {
  allocate(5001);
  const pid_t child = fork();
  if (child == 0) {
    allocate(5002);
    kept = NULL;
    return 0;
  }
  waitpid(child, NULL, 0);
  kept = NULL;
  return 0;
}
