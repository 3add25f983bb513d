/* Children of fork, of the raw system call, and of vfork, which allocate on their own account: only what this process
 * does counts. */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ledger.h"

extern char** environ;

static void wait_for(pid_t child) {
  int status = 0;
  if (child <= 0 || waitpid(child, &status, 0) != child || status != 0) _exit(98);
}

static void allocate_as_child(void) {
  for (int i = 0; i < 1000; i++) {
    void* block = keep(malloc(777));
    if (i % 2) free(block);
  }
}

int main(int argc, char** argv) {
  if (argc > 1) { /* the program that the children execute */
    allocate_as_child();
    return 0;
  }
  char* const arguments[] = {argv[0], (char*)"child", NULL};

  void* before = keep(malloc(1009));
  note_allocation(LEDGER_MALLOC, 1009);

  pid_t child = fork();
  if (child == 0) {
    free(before);
    allocate_as_child();
    _exit(0);
  }
  wait_for(child);

  child = (pid_t)syscall(SYS_fork); /* behind the back of libc's fork handlers */
  if (child == 0) {
    allocate_as_child();
    _exit(0);
  }
  wait_for(child);

  child = fork();
  if (child == 0) {
    execv(argv[0], arguments);
    _exit(97);
  }
  wait_for(child);

  child = vfork();
  if (child == 0) {
    execve(argv[0], arguments, environ);
    _exit(97);
  }
  wait_for(child);

  void* after = keep(malloc(2003));
  note_allocation(LEDGER_MALLOC, 2003);
  free(before);
  note_free(1009);
  free(after);
  note_free(2003);
  ledger_print();
  return 0;
}
