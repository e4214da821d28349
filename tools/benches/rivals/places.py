"""Where contenders run: addresses of one machine, or hosts of their own behind shaped uplinks."""

import os
import pathlib
import subprocess
import sys

FIRST_PORT = 21500
MARK = "BENCH_PRIVATE_NETWORK"


class Place:
    """An address, a port that nobody else has, and what a command must begin with to run there."""

    def __init__(self, number, host, prefix=()):
        self.number, self.host, self.prefix = number, host, list(prefix)
        self.port = FIRST_PORT + number


class Loopback:
    """Everybody on this machine, with an address each."""
    hub = "127.0.0.1"

    def place(self, number):
        return Place(number, f"127.0.0.{number + 1}")


class Shaped:
    """A network namespace for each peer, joined by a bridge; what leaves a host is held to a rate.

    Lives in a network of its own that ends with this process: see `enter`.
    """
    hub = "10.83.0.254"

    @staticmethod
    def enter():
        """Starts this program again in a private network, unless it is there already. Needs root."""
        if os.environ.get(MARK):
            return
        os.environ[MARK] = "1"
        os.execvp("unshare", ["unshare", "--net", "--mount", "--propagation", "private", sys.executable, *sys.argv])

    def __init__(self, uplinks):
        """`uplinks`: bytes a second of each host."""
        run("ip link set lo up")
        pathlib.Path("/run/netns").mkdir(exist_ok=True)
        run("mount -t tmpfs none /run/netns")
        run("ip link add bridge type bridge")
        run(f"ip addr add {self.hub}/24 dev bridge")
        run("ip link set bridge up")
        for number, rate in enumerate(uplinks):
            name = f"host{number}"
            run(f"ip netns add {name}")
            run(f"ip link add wire{number} type veth peer name eth0 netns {name}")
            run(f"ip link set wire{number} master bridge up")
            run(f"ip -n {name} link set lo up")
            run(f"ip -n {name} addr add 10.83.0.{number + 1}/24 dev eth0")
            run(f"ip -n {name} link set eth0 up")
            run(f"ip -n {name} route add default via {self.hub}")
            run(f"ip netns exec {name} tc qdisc add dev eth0 root tbf rate {int(rate * 8)}bit burst 64kb latency 100ms")

    def place(self, number):
        return Place(number, f"10.83.0.{number + 1}", ["ip", "netns", "exec", f"host{number}"])

    @staticmethod
    def shape(number, rate):
        """Gives a host another uplink."""
        run(f"ip netns exec host{number} tc qdisc change dev eth0 root tbf rate {int(rate * 8)}bit burst 64kb latency 100ms")

    @staticmethod
    def counts(number):
        """Bytes that a host has put on its wire and got from it, headers of every layer included."""
        for line in pathlib.Path("/proc/self/net/dev").read_text().splitlines():
            name, _, counts = line.strip().partition(":")
            if name == f"wire{number}":
                fields = counts.split()
                return int(fields[0]), int(fields[8])
        raise LookupError(f"no host {number}")

    def bare_stream(self, rate, seconds=4):
        """How much longer than at the shaped rate one TCP stream between two hosts takes."""
        self.shape(0, rate)
        near, far, size = self.place(0), self.place(1), int(rate * seconds)
        takes = (f"import socket, time; s = socket.create_server(('{far.host}', {far.port})); print('ready', flush=True); "
                 f"c = s.accept()[0]; t = time.time(); n = 0\n"
                 f"while n < {size}: n += len(c.recv(1 << 20))\n"
                 f"print(time.time() - t)")
        sends = f"import socket; s = socket.create_connection(('{far.host}', {far.port})); s.sendall(bytes({size})); s.recv(1)"
        receiver = subprocess.Popen([*far.prefix, sys.executable, "-c", takes], stdout=subprocess.PIPE, text=True)
        receiver.stdout.readline()
        sender = subprocess.Popen([*near.prefix, sys.executable, "-c", sends])
        taken = float(receiver.stdout.readline())
        receiver.wait()
        sender.wait()
        return taken / seconds


def run(command):
    subprocess.run(command.split(), check=True, stdout=subprocess.DEVNULL)
