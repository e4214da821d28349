#!/usr/bin/env python3
"""One big file over loopback, seeders to one downloader, ours against aria2 and libtorrent in the same run.

Rounds alternate the order of the contenders, so that a machine that slows down does so for all of them. Each
contender seeds to itself. Every copy is compared with its source. What is printed is the median of the rounds
with the smallest and the largest value.
"""

import argparse
import filecmp
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
from measure import wait_for
from places import Loopback
from torrent import HttpTracker, write_torrent

ROOT = pathlib.Path(__file__).resolve().parents[3]
FIELDS = [("MB/s", "rate", "{:.0f}"), ("CPU s down", "cpu_down", "{:.2f}"), ("CPU s up", "cpu_up", "{:.2f}"),
          ("MiB private down", "memory_down", "{:.0f}"), ("MiB private up", "memory_up", "{:.0f}")]


class Bench:
    def __init__(self, options, base):
        self.base = base
        self.programs = pathlib.Path(options.programs).resolve()
        self.size = options.size_mib << 20
        self.source = base / "source" / "bulk.bin"
        self.source.parent.mkdir()
        with open(self.source, "wb") as file:
            for _ in range(options.size_mib):
                file.write(os.urandom(1 << 20))
        self.places = Loopback()
        self.tracker = HttpTracker(self.places.hub)
        self.torrent = base / "bulk.torrent"
        write_torrent(self.source, self.torrent, self.tracker.url)

    def warm(self):
        """Touches as much memory as a run needs: on a virtual machine the first touch costs ten times more."""
        ballast = self.base / "ballast"
        with open(ballast, "wb") as file:
            block = bytes(1 << 20)
            for _ in range((self.size >> 20) * 5 // 4 + 256):
                file.write(block)
        return ballast

    def run(self, name, seeders, timeout):
        contender = contenders.ALL[name](self)
        work = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}.", dir=self.base))
        (work / "out").mkdir()
        running = []
        try:
            self.tracker.forget()
            ballast = self.warm()
            for number in range(1, seeders + 1):
                running.append(contender.seed(number, work))
            contender.seeds_ready(running)
            ballast.unlink()
            before = [seed.cpu() for seed in running]
            process, question = contender.fetch(0, work)
            seeds = list(running)
            running.append(process)
            begun, finished = wait_for(question, timeout, f"{name} finished", running)
            result = {
                "rate": self.size / 1e6 / (finished - begun),
                "cpu_down": process.cpu(),
                "cpu_up": sum(seed.cpu() for seed in seeds) - sum(before),
                "memory_down": process.peak_private_kib / 1024,
                "memory_up": max(seed.peak_private_kib for seed in seeds) / 1024,
            }
        finally:
            for measured in reversed(running):
                measured.stop()
            if hasattr(contender, "finish"):
                contender.finish()
        copy = work / "out" / self.source.name
        if not filecmp.cmp(self.source, copy, shallow=False):
            raise RuntimeError(f"{name}: the copy differs from its source")
        shutil.rmtree(work)
        return result


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
    parser.add_argument("--seeders", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contenders", nargs="+", default=list(contenders.ALL), choices=list(contenders.ALL))
    parser.add_argument("--base", default="/dev/shm", help="a RAM disk with room for five times the size")
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
            results = {name: [] for name in options.contenders}
            for number in range(options.rounds):
                turn = number % len(options.contenders)
                for name in options.contenders[turn:] + options.contenders[:turn]:
                    row = bench.run(name, seeders, options.timeout)
                    results[name].append(row)
                    shown = "  ".join(f"{title} {shape.format(row[field])}" for title, field, shape in FIELDS)
                    print(f"{seeders} to 1, round {number + 1}, {name}: {shown}", flush=True)
            section = f"## {seeders} to 1\n\n{table(results, options.contenders)}\n"
            print("\n" + section, flush=True)
            sections.append(section)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    if str(options.write) != "-":
        head = (f"# Benchmarks\n\nMade by `cargo xtask bench bulk` on {time.strftime('%Y-%m-%d', time.gmtime())}: one file of "
                f"{options.size_mib} MiB of random bytes on a RAM disk, over loopback, {options.rounds} rounds that "
                f"alternate; each cell is the median (smallest to largest). Every copy was compared with its source.\n\n"
                f"Rivals: {versions(options.contenders)}; version 1 torrent with pieces of 1 MiB, no encryption, no rate "
                f"limit. Ours: the hybrid torrent that `share` makes, every block checked by SHA-256; its time runs from "
                f"the start of the process to its word that the file is verified. CPU seconds are user and system "
                f"together, of the downloader and of all seeders; memory is the peak of private memory of one process.\n\n"
                f"Machine: {os.cpu_count()} cores, {platform.system()} {platform.release()}; load average when the run began: "
                f"{load:.1f}. Figures move with the machine; ratios of one run are what to compare.\n\n")
        pathlib.Path(options.write).write_text(head + "\n".join(sections))
        print(f"written: {options.write}")


if __name__ == "__main__":
    sys.exit(main())
