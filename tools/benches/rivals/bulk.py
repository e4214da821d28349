#!/usr/bin/env python3
"""One big file, or a folder of small ones, over loopback, seeders to one downloader or to several that also give to
each other: ours against aria2 and libtorrent in the same run.

Rounds alternate the order of the contenders, so that a machine that slows down does so for all of them. Each
contender seeds to itself. Every copy is compared with its source. What is printed is the median of the rounds
with the smallest and the largest value.
"""

import argparse
import filecmp
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import contenders
from ballast import Ballast
from measure import wait_for
from places import Loopback
from torrent import HttpTracker, write_torrent

ROOT = pathlib.Path(__file__).resolve().parents[3]
FIELDS = [("MB/s", "rate", "{:.0f}"), ("ms", "ms", "{:.0f}"), ("CPU s down", "cpu_down", "{:.2f}"), ("CPU s up", "cpu_up", "{:.2f}"),
          ("MiB private down", "memory_down", "{:.0f}"), ("MiB private up", "memory_up", "{:.0f}"), ("open files down", "open_files", "{:.0f}"), ("CPU s per GiB", "cpu_gib", "{:.2f}")]

# Makes, writes and closes the files of one folder in another, one after another; prints the seconds.
MAKE_FILES = """
import os, sys, time
source, target = sys.argv[1:]
files = []
for folder, _, names in os.walk(source):
    made = os.path.join(target, os.path.relpath(folder, source))
    os.makedirs(made, exist_ok=True)
    files += [(os.path.join(made, name), open(os.path.join(folder, name), "rb").read()) for name in names]
begun = time.time()
for path, content in files:
    file = os.open(path, os.O_CREAT | os.O_WRONLY)
    assert os.write(file, content) == len(content)
    os.close(file)
print(time.time() - begun)
"""


class Bench:
    def __init__(self, options, base):
        self.base = base
        self.programs = pathlib.Path(options.programs).resolve()
        self.source = base / "source" / "bulk"
        self.source.parent.mkdir()
        if options.files:
            self.size = options.files * options.file_kib << 10
            for number in range(options.files):
                file = self.source / f"{number // 100:03}" / f"{number:05}.bin"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(os.urandom(options.file_kib << 10))
        else:
            self.size = options.size_mib << 20
            with open(self.source, "wb") as file:
                for _ in range(options.size_mib):
                    file.write(os.urandom(1 << 20))
        self.what = f"{options.files} files of {options.file_kib} KiB," if options.files else f"{options.size_mib} MiB,"
        self.downloaders = options.downloaders
        self.places = Loopback()
        self.tracker = HttpTracker(self.places.hub)
        self.torrent = base / "bulk.torrent"
        write_torrent(self.source, self.torrent, self.tracker.url)

    def ballast(self):
        """As much memory as a run needs."""
        return Ballast(self.size * self.downloaders * 5 // 4 + (256 << 20))

    def run(self, name, seeders, timeout):
        contender = contenders.BULK[name](self)
        work = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}.", dir=self.base))
        running, fetching = [], []
        try:
            self.tracker.forget()
            ballast = self.ballast()
            for number in range(1, seeders + 1):
                running.append(contender.seed(number, work))
            contender.seeds_ready(running)
            seeds = list(running)
            before = [seed.cpu() for seed in seeds]
            with ballast:
                for number in [0, *range(seeders + 1, seeders + self.downloaders)]:
                    own = work / f"down{number}"
                    (own / "out").mkdir(parents=True)
                    process, question = contender.fetch(number, own)
                    fetching.append((process, question, own / "out"))
                    running.append(process)
                times = [wait_for(question, timeout, f"{name} finished", running) for _, question, _ in fetching]
                down = [process for process, _, _ in fetching]
                cpu_down, cpu_up = (sum(process.cpu() for process in side) for side in (down, seeds))
            cpu_up -= sum(before)
            took = max(finished for _, finished in times) - min(begun for begun, _ in times)
            result = {
                "rate": self.size * self.downloaders / 1e6 / took,
                "ms": took * 1000,
                "cpu_down": cpu_down,
                "cpu_up": cpu_up,
                "cpu_gib": (cpu_down + cpu_up) / (self.size * self.downloaders / (1 << 30)),
                "memory_down": max(process.peak_private_kib for process in down) / 1024,
                "memory_up": max(seed.peak_private_kib for seed in seeds) / 1024,
                "open_files": max(process.peak_open_files for process in down),
            }
        finally:
            for measured in reversed(running):
                measured.stop()
            if hasattr(contender, "finish"):
                contender.finish()
        for _, _, out in fetching:
            if not same(self.source, out / self.source.name):
                raise RuntimeError(f"{name}: the copy differs from its source")
        shutil.rmtree(work)
        return result


def same(source, copy):
    """Whether two files, or two folders with all that is in them, are equal."""
    if source.is_file():
        return filecmp.cmp(source, copy, shallow=False)
    names = sorted(path.relative_to(source) for path in source.rglob("*") if path.is_file())
    copied = sorted(path.relative_to(copy) for path in copy.rglob("*") if path.is_file())
    return names == copied and all(filecmp.cmp(source / name, copy / name, shallow=False) for name in names)


def limit(program, bench):
    """What nothing but the work itself reaches: MB/s. One file: a program that asks, receives, hashes and writes; many:
    a loop that makes them."""
    target = bench.base / "limit.out"
    with bench.ballast():
        if bench.source.is_dir():
            took = float(subprocess.run([sys.executable, "-c", MAKE_FILES, bench.source, target], capture_output=True, text=True, check=True).stdout)
            shutil.rmtree(target)
            return bench.size / 1e6 / took
        words = [program, "tcp", "bt", bench.source, target, str(bench.size >> 20)]
        told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    target.unlink()
    return json.loads(told)["MBps"]


def median(rows, field):
    return statistics.median(row[field] for row in rows)


def table(results, names):
    ours = names[0]
    head = ["contender"] + [title for title, _, _ in FIELDS] + [f"MB/s against {ours}"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name in names:
        cells = []
        for _, field, shape in FIELDS:
            values = [row[field] for row in results[name]]
            low, high = shape.format(min(values)), shape.format(max(values))
            cells.append(f"{shape.format(median(results[name], field))} ({low} to {high})")
        ratio = median(results[name], "rate") / median(results[ours], "rate")
        lines.append("| " + " | ".join([name, *cells, f"{ratio:.2f}"]) + " |")
    return "\n".join(lines)


def versions(names):
    found = []
    if "aria2" in names:
        found.append(subprocess.run(["aria2c", "--version"], capture_output=True, text=True).stdout.split("\n")[0])
    if "libtorrent" in names:
        import libtorrent
        found.append(f"libtorrent {libtorrent.__version__}, high-performance settings")
    return ", ".join(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-mib", type=int, default=2048)
    parser.add_argument("--files", type=int, default=0, help="a folder of so many files instead of one file")
    parser.add_argument("--file-kib", type=int, default=10, help="how long each of them is")
    parser.add_argument("--limit", help="a program that, called as `PROGRAM tcp bt FROM TO MIB`, prints the MBps of a "
                        "plain loop of asking, receiving, hashing and writing as JSON")
    parser.add_argument("--downloaders", type=int, default=1, help="how many at once")
    parser.add_argument("--seeders", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contenders", nargs="+", default=list(contenders.BULK), choices=list(contenders.BULK))
    parser.add_argument("--base", default="/dev/shm", help="a RAM disk, or a disk, with room for the source and the copies; what keeps memory warm lies on /dev/shm")
    parser.add_argument("--programs", default=ROOT / "target" / "release", help="folder of peer and tracker")
    parser.add_argument("--timeout", type=int, default=180, help="seconds for one transfer")
    parser.add_argument("--write", default=ROOT / "docs" / "benchmarks.md", help="where the table goes; - for nowhere")
    options = parser.parse_args()

    load = os.getloadavg()[0]
    base = pathlib.Path(tempfile.mkdtemp(prefix="enjambre-bulk.", dir=options.base))
    sections = []
    try:
        bench = Bench(options, base)
        for seeders in options.seeders:
            results, limits = {name: [] for name in options.contenders}, []
            for number in range(options.rounds):
                if (options.limit or options.files) and seeders == 1 == options.downloaders:
                    limits.append(limit(options.limit, bench))
                turn = number % len(options.contenders)
                for name in options.contenders[turn:] + options.contenders[:turn]:
                    row = bench.run(name, seeders, options.timeout)
                    results[name].append(row)
                    shown = "  ".join(f"{title} {shape.format(row[field])}" for title, field, shape in FIELDS)
                    print(f"{seeders} to {options.downloaders}, round {number + 1}, {name}: {shown}", flush=True)
            section = f"## {bench.what} {seeders} to {options.downloaders}\n\n{table(results, options.contenders)}\n"
            if limits:
                share = median(results[options.contenders[0]], "rate") / statistics.median(limits)
                loop = "A plain loop that makes the same files and does nothing else" if options.files else "A plain loop"
                section += (f"\n{loop} on this machine in the same run: {statistics.median(limits):.0f} MB/s "
                            f"({min(limits):.0f} to {max(limits):.0f}); {options.contenders[0]} reaches {share:.2f} of it.\n")
            print("\n" + section, flush=True)
            sections.append(section)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    if str(options.write) != "-":
        head = (f"# Benchmarks\n\nMade by `cargo xtask bench bulk` on {time.strftime('%Y-%m-%d', time.gmtime())}: random bytes on "
                f"{options.base}, over loopback, {options.rounds} rounds that alternate; each cell is the median (smallest to "
                f"largest). Every copy was compared with its source.\n\n"
                f"Rivals: {versions(options.contenders)}; version 1 torrent with pieces of 1 MiB, no encryption, no rate "
                f"limit. Ours: the hybrid torrent that `share` makes, every block checked by SHA-256, "
                f"and, as enjambre-v1, a version 1 torrent; its time runs from the start of the process to its word that the file is verified, that of aria2 from "
                f"the start of the process too, that of libtorrent from the moment it is given the torrent. CPU seconds are user "
                f"and system together, of the downloader and of all seeders; memory is the peak of private memory of one "
                f"process.\n\nMachine: {os.cpu_count()} cores, {platform.system()} {platform.release()}; load average when the "
                f"run began: {load:.1f}. Figures move with the machine; ratios of one run are what to compare.\n\n")
        pathlib.Path(options.write).write_text(head + "\n".join(sections))
        print(f"written: {options.write}")


if __name__ == "__main__":
    sys.exit(main())
