"""A terminal for programs that draw on it: what is typed goes in, what is on the screen comes out."""
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

import pyte


class Terminal:
    def __init__(self, command, columns=80, lines=24, environment=None):
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.exit_code = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.execvpe(str(command[0]), [str(part) for part in command],
                       {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **(environment or {})})

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.exit_code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def read(self, seconds):
        """Takes in what the program writes. False once it has closed the terminal."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.stream.feed(data)
        return bool(data)

    @property
    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait_for(self, wanted, seconds=60):
        """The screen, once `wanted`, a text or a condition on the screen, is there."""
        found = wanted if callable(wanted) else lambda text: wanted in text
        deadline = time.monotonic() + seconds
        while not found(self.text):
            open_still = self.read(0.05)
            assert time.monotonic() < deadline and open_still, f"{wanted!r} did not come:\n{self.text}"
        return self.text

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def resize(self, columns, lines):
        self.screen.resize(lines, columns)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def wait_for_end(self, seconds=60):
        deadline = time.monotonic() + seconds
        while self.read(0.05):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.exit_code = os.waitstatus_to_exitcode(status)
                return self.exit_code
            assert time.monotonic() < deadline, f"still running:\n{self.text}"
        self.exit_code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.exit_code
