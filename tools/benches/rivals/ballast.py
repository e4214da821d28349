"""Memory that a run finds touched already.

A virtual machine's host takes back what lies free for a second, and the next touch of such a page costs ten times
the copy: what is measured then is the host. So a file on the RAM disk holds as much as the run will need, and gives
it back as the run takes memory: what was freed last is what the system hands out next.
"""

import pathlib
import tempfile
import threading

MIB = 1 << 20
AHEAD = 128 * MIB       # free and touched at any moment; taken within a third of a second by the fastest
STEP = 8 * MIB          # given back at least so much at once
LOOK = 0.02             # seconds


class Ballast:
    """Holds `size` bytes from its making, gives them back between `with` and its end."""

    def __init__(self, size, folder="/dev/shm"):
        self.file = tempfile.TemporaryFile(dir=folder)
        self.left = size + AHEAD
        block = bytes(MIB)
        for _ in range(self.left // MIB):
            self.file.write(block)
        self.file.flush()
        self.ended = threading.Event()
        self.failure = None
        self.thread = threading.Thread(target=self.give_back, daemon=True)

    def __enter__(self):
        self.free = free_memory()
        self.hold(self.left - AHEAD)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        self.file.close()
        if self.failure:
            raise self.failure

    def hold(self, size):
        self.left = max(size, 0)
        self.file.truncate(self.left)

    def give_back(self):
        try:
            self.follow()
        except OSError as failure:
            self.failure = failure

    def follow(self):
        while self.left and not self.ended.wait(LOOK):
            # What the run took is what went beyond what was given back.
            taken = self.free + AHEAD - free_memory()
            if taken >= STEP:
                self.hold(self.left - taken)


def free_memory():
    """Bytes that nobody uses."""
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemFree:"):
            return int(line.split()[1]) << 10
    raise RuntimeError("the system does not tell how much memory is free")
