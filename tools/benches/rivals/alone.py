#!/usr/bin/env python3
"""What one peer costs by itself: to share, to share again, to start with much to remember, to notice a new source,
and to hold connections. Rivals where they do the same thing: mktorrent and libtorrent make torrents.

What is printed is the median of the rounds with the smallest and the largest value.
"""

import argparse
import base64
import concurrent.futures
import datetime
import hashlib
import json
import mmap
import os
import pathlib
import platform
import pty
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import types

from contenders import Libtorrent, line_of_type
from measure import Measured, wait_for
from places import Loopback
from torrent import HttpTracker, bencode, write_torrent

ROOT = pathlib.Path(__file__).resolve().parents[3]
MIB = 1 << 20
CONTROL = "127.0.0.1:21690"
MAKE_WITH_LIBTORRENT = """
import sys, os, libtorrent as lt
path, out, kind = sys.argv[1:]
files = lt.file_storage(); files.add_file(os.path.basename(path), os.path.getsize(path))
made = lt.create_torrent(files, 1 << 20, {"v1": lt.create_torrent.v1_only, "hybrid": 0}[kind])
lt.set_piece_hashes(made, os.path.dirname(path))
open(out, "wb").write(lt.bencode(made.generate()))
"""


class Alone:
    def __init__(self, options, base):
        self.options, self.base = options, base
        self.programs = pathlib.Path(options.programs).resolve()
        self.folders = 0

    def folder(self):
        self.folders += 1
        folder = self.base / f"folder{self.folders}"
        folder.mkdir()
        return folder

    def tracker(self):
        """Started, and listening."""
        words = [self.programs / "tracker", "--listen", CONTROL, "--no-http", "--dir", self.folder()]
        tracker = Measured(words, self.base / "tracker.log")
        wait_for(lambda: listens(CONTROL), 30, "a tracker", [tracker])
        return tracker

    def words(self, nick, folder, *words):
        return [self.programs / "peer", "--json", "--yes", "--tracker", CONTROL, "--nick", nick, "--dir", folder,
                "--listen", "127.0.0.1:0", "--no-lsd", *words]

    def peer(self, nick, folder, *words):
        return Measured(self.words(nick, folder, *words), folder / "log")


def until(measured, kind, seconds=600):
    return wait_for(lambda: line_of_type(measured.log_path, kind), seconds, f"a line of type {kind}", [measured])


def listens(address):
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return True if probe.connect_ex((host, int(port))) == 0 else None


def random_file(path, mib):
    with open(path, "wb") as file:
        for _ in range(mib):
            file.write(os.urandom(MIB))
    return path


def spread(values, shape="{:.2f}"):
    return f"{shape.format(statistics.median(values))} ({shape.format(min(values))} to {shape.format(max(values))})"


def both_cores(path):
    """Seconds that two threads need for SHA-1 and SHA-256 of a file in memory, and nothing else."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as content:
        view = memoryview(content)

        def hash_part(at):
            part = view[at:at + MIB]
            hashlib.sha1(part).digest()
            for block in range(0, len(part), 16384):
                hashlib.sha256(part[block:block + 16384]).digest()
            part.release()

        begun = time.time()
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
            list(threads.map(hash_part, range(0, len(content), MIB)))
        took = time.time() - begun
        view.release()
        return took


def share(alone):
    """Making a torrent of one file: MB/s of each."""
    path = random_file(alone.base / "film.bin", alone.options.size_mib)
    size = path.stat().st_size
    out = alone.base / "made.torrent"
    again, rates = [], {}

    def timed(name, command):
        out.unlink(missing_ok=True)
        begun = time.time()
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rates.setdefault(name, []).append(size / 1e6 / (time.time() - begun))

    def ours(name, *form):
        folder = alone.folder()
        peer = alone.peer("ana", folder, "share", *form, path)
        until(peer, "share")
        rates.setdefault(name, []).append(size / 1e6 / (time.time() - peer.started))
        peer.stop()
        if not form:
            peer = Measured(alone.words("ana", folder, "share", path), folder / "again")
            until(peer, "share")
            again.append((time.time() - peer.started) * 1000)
            peer.stop()

    tracker = alone.tracker()
    try:
        for _ in range(alone.options.rounds):
            ours("enjambre, hybrid")
            rates.setdefault("SHA-1 and SHA-256 on both cores, nothing else", []).append(size / 1e6 / both_cores(path))
            timed("libtorrent, hybrid", [sys.executable, "-W", "ignore", "-c", MAKE_WITH_LIBTORRENT, path, out, "hybrid"])
            ours("enjambre, version 1", "--format", "v1")
            if shutil.which("mktorrent"):
                timed("mktorrent, 2 threads, version 1", ["mktorrent", "-t", "2", "-l", "20", "-o", out, path])
            timed("libtorrent, version 1", [sys.executable, "-W", "ignore", "-c", MAKE_WITH_LIBTORRENT, path, out, "v1"])
    finally:
        tracker.stop()
        path.unlink()
    lines = [f"## Sharing a file of {alone.options.size_mib} MiB", "", "From the start of the process to its word that it is shared.", "",
             "| who | MB/s | against enjambre, hybrid |", "|---|---|---|"]
    reference = statistics.median(rates["enjambre, hybrid"])
    lines += [f"| {name} | {spread(values, '{:.0f}')} | {statistics.median(values) / reference:.2f} |" for name, values in rates.items()]
    return "\n".join([*lines, "", f"The same file again, unchanged, by a new process: {spread(again, '{:.0f}')} ms."])


def prompt_of(words, folder):
    """Starts a peer at a pseudo-terminal; gives (pid, terminal, seconds until its prompt)."""
    begun = time.time()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(words[0], [str(word) for word in words])
    seen = b""
    while b"ana> " not in seen:
        ready, _, _ = select.select([terminal], [], [], 60)
        if not ready:
            raise TimeoutError(f"no prompt in {folder}: {seen[-500:]}")
        seen += os.read(terminal, 65536)
    return pid, terminal, time.time() - begun


def end(pid, terminal):
    os.kill(pid, signal.SIGTERM)
    while True:
        try:
            if not os.read(terminal, 65536):
                break
        except OSError:
            break
    os.waitpid(pid, 0)
    os.close(terminal)


def read_so_far(pid):
    """Bytes that a process has asked the system for."""
    for line in pathlib.Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("rchar:"):
            return int(line.split()[1])
    return 0


def zero_torrent(path, name, length, piece_length):
    """A version 1 torrent of nothing but zeros; gives its info hash."""
    pieces = -(-length // piece_length)
    last = length - (pieces - 1) * piece_length
    hashes = hashlib.sha1(bytes(piece_length)).digest() * (pieces - 1) + hashlib.sha1(bytes(last)).digest()
    info = {"length": length, "name": name, "piece length": piece_length, "pieces": hashes}
    path.write_bytes(bencode({"info": info}))
    return hashlib.sha1(bencode(info)).digest(), pieces


def half_done(folder):
    """Says in a status of a stopped peer that the first half of its download is there."""
    status = folder / "download_status.json"
    value = json.loads(status.read_text())
    for entry in value["downloads"]:
        if entry["state"] == "downloading":
            count = entry["pieces"]
            bits = bytearray(-(-count // 8))
            for piece in range(count // 2):
                bits[piece // 8] |= 128 >> piece % 8
            entry["have"] = base64.b64encode(bytes(bits)).decode()
            entry["verified"] = entry["size"] // 2
    value["checksum"] = "0" * 64
    text = json.dumps(value, indent=2)
    value["checksum"] = hashlib.sha256(text.encode()).hexdigest()
    status.write_text(json.dumps(value, indent=2))
    (folder / "download_status.json.bak").unlink(missing_ok=True)


def start(alone):
    """Start with a half-done download of 64 GiB and a thousand shares, on a file system that has the room."""
    disk = alone.base / "disk.image"
    with open(disk, "wb") as file:
        file.truncate(100 << 30)
    mounted = alone.folder()
    subprocess.run(["mkfs.ext4", "-q", "-F", disk], check=True)
    subprocess.run(["mount", "-o", "loop", disk, mounted], check=True)
    tracker = alone.tracker()
    try:
        folder = mounted / "peer"
        folder.mkdir()
        things = []
        for number in range(1000):
            thing = mounted / f"thing{number:04}.bin"
            thing.write_bytes(os.urandom(4096))
            things.append(thing)
        sharing = alone.peer("ana", folder, "share", *things)
        wait_for(lambda: True if sharing.log_path.read_text(errors="replace").count('"type":"share"') == 1000 else None, 300, "1000 shares", [sharing])
        sharing.stop()
        zero_torrent(mounted / "big.torrent", "big.bin", 64 << 30, 4 * MIB)
        getting = alone.peer("ana", folder, "get", mounted / "big.torrent", "--into", mounted)
        wait_for(lambda: True if (mounted / "big.bin.part").exists() else None, 60, "the download's file", [getting])
        wait_for(lambda: True if '"downloading"' in (folder / "download_status.json").read_text() else None, 60, "its status", [getting])
        getting.stop()
        half_done(folder)
        words = [word for word in alone.words("ana", folder) if word != "--json"]
        times, read, listed = [], [], []
        for _ in range(alone.options.rounds):
            pid, terminal, took = prompt_of(words, folder)
            times.append(took * 1000)
            time.sleep(3)
            read.append(read_so_far(pid) / MIB)
            memory = [line for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("RssAnon")]
            listed.append(int(memory[0].split()[1]) / 1024)
            end(pid, terminal)
    finally:
        tracker.stop()
        subprocess.run(["umount", "-l", mounted], check=False)
        disk.unlink()
    return "\n".join(["## Starting with 1,000 shares and a download of 64 GiB, half done", "",
                      "| | |", "|---|---|", f"| ms to the prompt | {spread(times, '{:.0f}')} |",
                      f"| MiB read in the first 3 s, status and torrent files included | {spread(read, '{:.1f}')} |",
                      f"| MiB of private memory then | {spread(listed, '{:.0f}')} |"])


def told_when(log, field):
    """When a program wrote the first line in which this field is true, by its own clock."""
    for line in log.read_text().splitlines():
        if line.startswith("{") and line.endswith("}") and (value := json.loads(line)).get(field) is True:
            return datetime.datetime.fromisoformat(value["ts"]).timestamp()
    return None


def moment(alone):
    """A file of 1 MiB from one who shares it, by programs that run already: from the word `get` until it is verified on
    disk. Ours is told the name, libtorrent is given the torrent."""
    times = {"enjambre": [], "libtorrent": []}
    rival_tracker = HttpTracker("127.0.0.1")
    tracker = alone.tracker()
    try:
        for number in range(alone.options.rounds * 3):
            name = f"small{number}.bin"
            path = random_file(alone.base / name, 1)
            giving, getting = alone.folder(), alone.folder()
            sharing = alone.peer("ana", giving, "share", path)
            until(sharing, "share")
            with open(getting / "log", "wb") as log:
                words = [str(word) for word in alone.words("bob", getting)]
                process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=log, stderr=log)
                try:
                    # It answers, so it has started and knows its tracker.
                    process.stdin.write(b"search small\n")
                    process.stdin.flush()
                    wait_for(lambda: True if name in (getting / "log").read_text() else None, 30, "an answer")
                    begun = time.time()
                    process.stdin.write(f"get {name}\n".encode())
                    process.stdin.flush()
                    finished = wait_for(lambda: told_when(getting / "log", "is_finished"), 30, "done")
                    times["enjambre"].append((finished - begun) * 1000)
                finally:
                    process.terminate()
                    process.wait()
            sharing.stop()
            torrent, out = alone.base / "small.torrent", alone.folder()
            write_torrent(path, torrent, rival_tracker.url, 65536)
            rival_tracker.forget()
            rival = Libtorrent(types.SimpleNamespace(places=Loopback(), torrent=torrent, source=path, tracker=rival_tracker))
            (out / "out").mkdir()
            running = [rival.seed(1, out)]
            try:
                rival.seeds_ready(running)
                process, question = rival.fetch(0, out)
                running.append(process)
                begun, finished = wait_for(question, 30, "libtorrent finished", running)
                times["libtorrent"].append((finished - begun) * 1000)
            finally:
                for measured in running:
                    measured.stop()
            path.unlink()
    finally:
        tracker.stop()
    return "\n".join(["## A file of 1 MiB, by programs that run already", "", "| who | ms |", "|---|---|",
                      *[f"| {name} | {spread(values, '{:.0f}')} |" for name, values in times.items()], "",
                      "Each says itself when it had every piece."])


def newcomer(alone):
    """How soon a source that appears is used by one who waits for it."""
    times = []
    tracker = alone.tracker()
    try:
        for number in range(alone.options.rounds * 3):
            name = f"late{number}.bin"
            path = random_file(alone.base / name, 16)
            first, second, third = alone.folder(), alone.folder(), alone.folder()
            sharing = alone.peer("ana", first, "share", path)
            until(sharing, "share")
            # The one who waits has the torrent and a piece or so, and then nobody gives any more.
            waiting = alone.peer("bob", second, "--limit-down", "64KiB", "get", name, "--into", second)
            wait_for(lambda: True if (second / f"{name}.part").exists() else None, 30, "a download", [waiting])
            sharing.process.kill()
            sharing.stop()
            copy = alone.peer("eva", third, "share", path)
            until(copy, "share")
            shared = time.time()
            wait_for(lambda: True if connected(waiting, copy) else None, 30, "a connection", [waiting, copy])
            times.append((time.time() - shared) * 1000)
            waiting.stop()
            copy.stop()
            path.unlink()
    finally:
        tracker.stop()
    return "\n".join(["## A source that appears", "",
                      f"From its word that it shares until the waiting peer is connected to it: {spread(times, '{:.0f}')} ms "
                      f"in {len(times)} rounds (0: the connection was there before the word; looked at every 10 ms)."])


def connected(one, other):
    """Whether two processes have a TCP connection with each other that is not the tracker's."""
    def ends(measured):
        inodes = set()
        for descriptor in pathlib.Path(f"/proc/{measured.process.pid}/fd").iterdir():
            try:
                target = os.readlink(descriptor)
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
        found = set()
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "01" and fields[9] in inodes:
                found.add((fields[1], fields[2]))
        return found
    return any((there, here) in ends(other) for here, there in ends(one))


def costs(alone):
    """Memory and CPU of a peer that holds connections to others who have everything and give nothing."""
    rows = []
    for pieces in alone.options.pieces:
        for connections in alone.options.connections:
            folder = alone.folder()
            info_hash, _ = zero_torrent(folder / "zero.torrent", "zero.bin", pieces * 16384, 16384)
            words = [word for word in alone.words("ana", folder) if word not in ("--listen", "127.0.0.1:0")]
            port = free_port()
            peer = Measured([*words, "--listen", f"127.0.0.1:{port}", "--connections", "600", "get", folder / "zero.torrent", "--into", folder], folder / "log")
            wait_for(lambda: True if (folder / "zero.bin.part").exists() else None, 60, "a download", [peer])
            time.sleep(1)
            alone_kib = private_kib(peer)
            bits = bytearray(b"\xff" * -(-pieces // 8))
            if pieces % 8:
                bits[-1] = 0xFF << 8 - pieces % 8 & 0xFF
            held = []
            before = peer.cpu()
            for number in range(connections):
                wire = socket.socket()
                wire.bind((f"127.0.{1 + number // 200}.{1 + number % 200}", 0))
                wire.connect(("127.0.0.1", port))
                wire.sendall(b"\x13BitTorrent protocol" + bytes(8) + info_hash + b"-XX0000-" + os.urandom(12)
                             + struct.pack(">IB", 1 + len(bits), 5) + bits)
                held.append(wire)
            alive = sum(1 for wire in held if wire.recv(68))
            silent = set(held)

            def all_answered():
                silent.difference_update([wire for wire in silent if settled(wire)])
                return None if silent else True

            wait_for(all_answered, 60, "an answer at each connection", [peer])
            joined = peer.cpu() - before
            before, begun = peer.cpu(), time.time()
            time.sleep(alone.options.hold)
            busy = (peer.cpu() - before) / (time.time() - begun)
            with_kib = private_kib(peer)
            rows.append((pieces, alive, alone_kib / 1024, (with_kib - alone_kib) / max(alive, 1), joined * 1000 / max(alive, 1), busy * 100))
            print("costs:", rows[-1], flush=True)
            for wire in held:
                wire.close()
            peer.stop()
            shutil.rmtree(folder)
    lines = ["## What connections and pieces cost", "",
             "A download of 16 KiB pieces; each connection is to somebody who has everything and gives nothing.", "",
             "| pieces | connections | MiB private without them | KiB for each | CPU ms for each to join | % of a core while they are held |", "|---|---|---|---|---|---|"]
    lines += [f"| {pieces:,} | {alive} | {mib:.0f} | {kib:.0f} | {joined:.2f} | {busy:.1f} |" for pieces, alive, mib, kib, joined, busy in rows]
    return "\n".join(lines)


def settled(wire):
    """Whether the peer has said that it is interested, which it says after it has read what we have."""
    wire.setblocking(False)
    try:
        return bool(wire.recv(65536))
    except BlockingIOError:
        return False
    finally:
        wire.setblocking(True)


def private_kib(measured):
    status = pathlib.Path(f"/proc/{measured.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


CASES = {"share": share, "start": start, "moment": moment, "newcomer": newcomer, "costs": costs}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--size-mib", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, nargs="+", default=[10, 100, 500])
    parser.add_argument("--pieces", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--hold", type=float, default=5, help="seconds that connections are held")
    parser.add_argument("--base", default="/dev/shm", help="a RAM disk with room for twice the size")
    parser.add_argument("--programs", default=ROOT / "target" / "release", help="folder of peer and tracker")
    parser.add_argument("--write", default=ROOT / "docs" / "benchmarks-alone.md", help="where the tables go; - for nowhere")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    base = pathlib.Path(tempfile.mkdtemp(prefix="enjambre-alone.", dir=options.base))
    sections = []
    try:
        alone = Alone(options, base)
        for case in options.cases:
            sections.append(CASES[case](alone) + "\n")
            print("\n" + sections[-1], flush=True)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    if str(options.write) != "-":
        head = (f"# One peer by itself\n\nMade by `cargo xtask bench alone` on {time.strftime('%Y-%m-%d', time.gmtime())}, {options.rounds} rounds; "
                f"each figure is the median (smallest to largest). Files lie on {options.base}.\n\nMachine: {os.cpu_count()} cores, "
                f"{platform.system()} {platform.release()}; load average when the run began: {load:.1f}.\n\n")
        pathlib.Path(options.write).write_text(head + "\n".join(sections))
        print(f"written: {options.write}")


if __name__ == "__main__":
    sys.exit(main())
