/* exec in all its forms, from the recorded process, from one that is not, and from vfork children.
 *   exec PLUGIN: tests.   exec "image" EXPECTED ARGUMENT...: what is executed; says whether the environment came. */
#define _GNU_SOURCE
#include "recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char* self;
static char* const environment[] = {"HOOKS_TEST_OWN=yes", NULL};

static int image(int argc, char** argv) {
  const int passed = getenv("HOOKS_TEST_PASSED_ON") != NULL;
  const int own = getenv("HOOKS_TEST_OWN") != NULL;
  if (argc != 5 || strcmp(argv[3], "third") != 0 || strcmp(argv[4], "") != 0) return 3;
  return passed == (strchr(argv[2], 'p') != NULL) && own == (strchr(argv[2], 'o') != NULL) ? 42 : 4;
}

static void execute(int form, int passed) {
  const char* plain = passed ? "p" : "-";
  const char* own = passed ? "po" : "o";
  char* const argv[] = {"exec", "image", (char*)plain, "third", "", NULL};
  char* const argv_own[] = {"exec", "image", (char*)own, "third", "", NULL};
  switch (form) {
    case 0:
      execve(self, argv_own, environment);
      break;
    case 1:
      execv(self, argv);
      break;
    case 2:
      execvp(self, argv);
      break;
    case 3:
      execvpe(self, argv_own, environment);
      break;
    case 4:
      execl(self, "exec", "image", plain, "third", "", NULL);
      break;
    case 5:
      execlp(self, "exec", "image", plain, "third", "", NULL);
      break;
    case 6:
      execle(self, "exec", "image", own, "third", "", NULL, environment);
      break;
    case 7:
      fexecve(open(self, O_RDONLY), argv_own, environment);
      break;
    case 8:
      execveat(AT_FDCWD, self, argv_own, environment, 0);
      break;
  }
  _exit(5);
}

static int status_of(pid_t child) {
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What posix_spawn makes gets the environment of a child, in this process and not in one that is not recorded. */
static void check_spawn(const char* expected) {
  char* const argv[] = {"exec", "image", (char*)expected, "third", "", NULL};
  const uint32_t calls = executing_count;
  pid_t child = 0;
  CHECK(posix_spawn(&child, self, NULL, NULL, argv, environment) == 0 && status_of(child) == 42);
  CHECK(posix_spawnp(&child, self, NULL, NULL, argv, environment) == 0 && status_of(child) == 42);
  CHECK(posix_spawn(&child, "/nonexistent/program", NULL, NULL, argv, environment) == ENOENT);
  CHECK(executing_count == calls);
}

int main(int argc, char** argv) {
  self = argv[0];
  if (argc > 1 && strcmp(argv[1], "image") == 0) return image(argc, argv);
  CHECK(unsetenv("LD_PRELOAD") == 0);
  recorder_start(argv[1]);

  for (int form = 0; form < 9; ++form) {
    pid_t child = fork();
    if (child == 0) {
      recorder_adopt_process();
      execute(form, 1);
    }
    CHECK(status_of(child) == 42);

    child = fork();
    if (child == 0) execute(form, 0);
    CHECK(status_of(child) == 42);

    /* A vfork child shares this memory: what the hook wrote would be found here. */
    const uint32_t calls = executing_count;
    child = vfork();
    if (child == 0) execute(form, 0);
    CHECK(status_of(child) == 42);
    CHECK(executing_count == calls && exec_failed_count == 0);
  }

  /* An exec that fails leaves the process recorded, and errno alone. */
  char* const nothing[] = {"nothing", NULL};
  errno = 0;
  CHECK(execve("/nonexistent/program", nothing, environment) == -1 && errno == ENOENT);
  CHECK(executing_count == 1 && exec_failed_count == 1);
  errno = 0;
  CHECK(execlp("hooks-test-no-such-program", "a", NULL) == -1 && errno == ENOENT);
  CHECK(executing_count == 2 && exec_failed_count == 2);

  check_spawn("po");
  const pid_t unrecorded = fork();
  if (unrecorded == 0) {
    check_spawn("o");
    _exit(0);
  }
  CHECK(status_of(unrecorded) == 0);

  /* A forked child is not recorded until somebody says so. */
  const uint32_t events = seen_count;
  pid_t child = fork();
  if (child == 0) {
    free(keep(malloc(5)));
    _exit(seen_count == events && !recorder_is_recording() ? 0 : 1);
  }
  CHECK(status_of(child) == 0);
  free(keep(malloc(6)));
  CHECK(seen_count == events + 2);
  return 0;
}
