"""Processes under measurement: CPU seconds and private memory, read from /proc while they run."""

import os
import subprocess
import threading
import time

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.1    # with nine processes every 20 ms took a sixth of two cores


class Measured:
    """One child process. Its private memory (RssAnon) is sampled in the background for the peak."""

    def __init__(self, command, log, cwd=None):
        self.log_path = log
        self.log = open(log, "ab")
        self.started = time.time()
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd=cwd)
        self.peak_private_kib = 0
        self.peak_open_files = 0
        self.last_cpu = 0.0
        self.stopping = False
        self.sampler = threading.Thread(target=self._sample, daemon=True)
        self.sampler.start()

    def _sample(self):
        while not self.stopping:
            self.look()
            time.sleep(SAMPLE_SECONDS)

    def look(self):
        """Takes one sample; a process that has ended keeps its last figures."""
        root = f"/proc/{self.process.pid}"
        try:
            with open(f"{root}/stat") as stat:
                fields = stat.read().rpartition(")")[2].split()
            with open(f"{root}/status") as status:
                private = [line for line in status if line.startswith("RssAnon:")]
        except OSError:
            return
        if fields[0] != "Z":
            self.last_cpu = (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND
        try:
            self.peak_open_files = max(self.peak_open_files, len(os.listdir(f"{root}/fd")))
        except OSError:
            pass
        if private:
            self.peak_private_kib = max(self.peak_private_kib, int(private[0].split()[1]))

    def cpu(self):
        """User and system seconds so far."""
        self.look()
        return self.last_cpu

    def check(self):
        """Raises when the process has ended with a failure."""
        code = self.process.poll()
        if code not in (None, 0):
            raise RuntimeError(f"ended with {code}: {self.tail()}")

    def tail(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()[-1500:]

    def stop(self):
        self.stopping = True
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.sampler.join(1)
        self.log.close()


def wait_for(question, seconds, what, alive=()):
    """Asks every 10 ms until the answer is not None; gives the answer."""
    end = time.time() + seconds
    while time.time() < end:
        answer = question()
        if answer is not None:
            return answer
        for measured in alive:
            measured.check()
        time.sleep(0.01)
    raise TimeoutError(f"{what}: nothing within {seconds} s")
