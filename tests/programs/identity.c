/* Prints what a program can see of how it was started: arguments, environment, open descriptors, signal dispositions
 * and mask, resource limits. */
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

extern char** environ;

int main(int argc, char** argv) {
  for (int i = 0; i < argc; i++) printf("argument %s\n", argv[i]);
  for (char** entry = environ; *entry; entry++) printf("environment %s\n", *entry);

  DIR* folder = opendir("/proc/self/fd");
  if (!folder) return 1;
  for (struct dirent* entry; (entry = readdir(folder));)
    if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(folder)) printf("descriptor %s\n", entry->d_name);
  closedir(folder);

  sigset_t mask;
  sigprocmask(SIG_BLOCK, NULL, &mask);
  for (int number = 1; number < 32; number++) {
    struct sigaction action;
    if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
      printf("signal %d is not at its default\n", number);
    if (sigismember(&mask, number)) printf("signal %d is blocked\n", number);
  }

  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  printf("descriptors limited to %lu %lu\n", (unsigned long)limit.rlim_cur, (unsigned long)limit.rlim_max);
  getrlimit(RLIMIT_CORE, &limit);
  printf("core limited to %lu %lu\n", (unsigned long)limit.rlim_cur, (unsigned long)limit.rlim_max);
  return 0;
}
