"""A client of --sink=socket, written from docs/live.md alone, and programs that are recorded with it."""
import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import time

SIGNATURE = b"\x93MRAY\r\n\x1a"
TIMEOUT = 120


def request(token="", version=1):
    return b"MRAYLIVE" + struct.pack("<H6x", version) + token.encode().ljust(32, b"\0")


def receive(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            break
        data += part
    return data


def blocks(data):
    """The capture, cut into its parts: [(kind, bytes)]; kind None is the head of a file. A torn part at the end is left out."""
    parts, at = [], 0
    while at < len(data):
        if data[at : at + 8] == SIGNATURE:
            size, kind = 16, None
        elif len(data) - at >= 24 and data[at : at + 4] == b"MBLK":
            head, kind, _, payload = struct.unpack_from("<HBBI", data, at + 4)
            size = head + payload
        elif len(data) - at == 24:
            size, kind = 24, "tail"
        else:
            break
        if at + size > len(data):
            break
        parts.append((kind, data[at : at + size]))
        at += size
    return parts


def captures(data):
    """The captures that a client got one after the other: more than one if it was too slow."""
    found = []
    for kind, part in blocks(data):
        if kind is None:
            found.append(bytearray())
        found[-1] += part
    return found


class Client:
    def __init__(self, address, token=""):
        self.socket = socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(address)
        self.socket.sendall(request(token))
        self.answer = receive(self.socket, 16)
        self.data = bytearray()

    @property
    def welcome(self):
        return self.answer == b"MRAYLIVE" + struct.pack("<HH4x", 1, 0)

    def read(self, size=1 << 20):
        part = self.socket.recv(size)
        self.data += part
        return part

    def read_to_end(self):
        with contextlib.suppress(ConnectionResetError):
            while self.read():
                pass
        return self.data

    def close(self):
        self.socket.close()


class Served:
    """A program that memray records with --sink=socket."""

    def __init__(self, memray, program, *options, sink="socket", env=None, **popen):
        command = [memray, "run", *([f"--sink={sink}"] if sink else []), *options, *program]
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env={**os.environ, **(env or {})}, start_new_session=True, **popen
        )
        self.first = self.process.stdout.readline()
        found = re.search(r"memray live (?:unix:(\S+?)|(\d+))'", self.first)
        assert found, self.first + self.process.stderr.read()
        if found[1]:
            self.address = self.local = found[1]
            return
        self.port = int(found[2])
        second = re.search(r"memray live '(\S+):(\d+)#(\S+)'", self.process.stdout.readline())
        self.address, self.token = (second[1], int(second[2])), second[3]
        self.local = f"\0memray-live-{self.port}"

    def client(self):
        """By the Unix socket: no token."""
        return Client(self.local)

    def end(self):
        """(exit code, standard output, standard error)"""
        out, err = self.process.communicate(timeout=TIMEOUT)
        return self.process.returncode, out, err

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # the program, too
        self.process.communicate()


def wait_until(condition):
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
