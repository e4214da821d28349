#!/usr/bin/env python3
"""A crowd of downloaders behind shaped uplinks, ours against aria2 and libtorrent in the same run.

Every peer is a host of its own (network namespace), its uplink held to a rate by the kernel, its downlink free.
The source is ready first; then all downloaders start at once, or spread over time. The clock runs from the first
start until the last one has every byte verified, and is compared with the lower bound of Kurose and Ross:
max(F/us, NF/(us + sum of ui)). Everybody goes on giving until the last is done. Needs root.

All scenes once take about 12 minutes; `--quick` measures 8 equal peers only.
"""

import argparse
import filecmp
import os
import pathlib
import platform
import shutil
import statistics
import sys
import tempfile
import time

import contenders
from bulk import versions
from http_server import HttpServer
from places import Shaped
from scenes import MIB, RIDER_UPLOAD, jain, scenes
from torrent import HttpTracker, write_torrent

ROOT = pathlib.Path(__file__).resolve().parents[3]
KNOWN = {**contenders.ALL, HttpServer.name: HttpServer}


class Crowd:
    def __init__(self, options, base, scene):
        self.base, self.options, self.scene = base, options, scene
        self.programs = pathlib.Path(options.programs).resolve()
        self.size = scene.size
        self.source = base / "source" / "crowd.bin"
        self.source.parent.mkdir(exist_ok=True)
        with open(self.source, "wb") as file:
            for _ in range(self.size // MIB):
                file.write(os.urandom(MIB))
        self.places = options.places
        self.tracker = HttpTracker(self.places.hub)
        self.torrent = base / "crowd.torrent"
        write_torrent(self.source, self.torrent, self.tracker.url, piece_length=128 << 10)

    def run(self, name):
        contender, scene = KNOWN[name](self), self.scene
        work = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}.", dir=self.base))
        for number, rate in enumerate([scene.source, *scene.uplinks]):
            self.places.shape(number, rate)
        bound, joins = scene.bound(), scene.joins()
        timeout = max(self.options.timeout, 12 * bound)
        running, crowd, gone, half = [], {}, set(), None
        try:
            self.tracker.forget()
            running.append(contender.seed(0, work))
            contender.seeds_ready(running)
            hosts = range(len(scene.uplinks) + 1)
            before = [self.places.counts(number) for number in hosts]
            begun, finished = time.time(), {}
            while len(finished) < len(scene.uplinks) - len(scene.leave):
                now = time.time() - begun
                if now > timeout:
                    raise TimeoutError(f"{name}: {len(finished)} done after {timeout:.0f} s")
                while len(crowd) < len(scene.uplinks) and now >= joins[len(crowd)]:
                    number = len(crowd) + 1
                    folder = work / f"take{number}"
                    (folder / "out").mkdir(parents=True)
                    limit = RIDER_UPLOAD if number - 1 in scene.riders else None
                    process, question = contender.fetch(number, folder, limit)
                    running.append(process)
                    crowd[number] = (process, question, folder)
                if half is None and now >= bound / 2:
                    half = [self.places.counts(number)[1] - before[number][1] for number in hosts]
                for number, (process, question, _) in crowd.items():
                    if number - 1 in scene.leave:
                        if now >= scene.leaves_at() and number not in gone:
                            process.process.kill()
                            gone.add(number)
                    elif number not in finished:
                        process.check()
                        answer = question()
                        if answer:
                            finished[number] = answer[1] - begun
                time.sleep(0.02)
            sent = [self.places.counts(number)[0] - before[number][0] for number in hosts]
        finally:
            for measured in reversed(running):
                measured.stop()
            if hasattr(contender, "finish"):
                contender.finish()
        for number, (_, _, folder) in crowd.items():
            if number in finished and not filecmp.cmp(self.source, folder / "out" / self.source.name, shallow=False):
                raise RuntimeError(f"{name}: the copy of peer {number} differs from its source")
        shutil.rmtree(work)
        return self.row(bound, begun, finished, sent, half)

    def row(self, bound, begun, finished, sent, half):
        scene = self.scene
        honest = [number for number in finished if number - 1 not in scene.riders]
        last = max(finished[number] for number in honest)
        row = {"begun": begun, "finished": finished, "last": last, "ratio": last / bound,
               "median": statistics.median(finished[number] for number in honest), "copies": sent[0] / self.size,
               "overhead": sum(sent) / (len(finished) * self.size)}
        if scene.equal:
            row["jain"] = jain(self.size / finished[number] for number in honest)
            row["jain_half"] = jain(half[number] for number in honest)
        for rider in scene.riders:
            row["rider"] = finished[rider + 1] / row["median"]
            row["rider_half"] = half[rider + 1] / statistics.mean(half[number] for number in honest)
        return row


FIELDS = [("last, s", "last", "{:.1f}"), ("last / bound", "ratio", "{:.2f}"), ("median, s", "median", "{:.1f}"),
          ("copies from the source", "copies", "{:.2f}"), ("bytes on wires / bytes delivered", "overhead", "{:.3f}"),
          ("fairness of times", "jain", "{:.3f}"), ("fairness at half time", "jain_half", "{:.3f}"),
          ("time of who only takes / median", "rider", "{:.2f}"), ("its bytes at half time / others'", "rider_half", "{:.2f}")]


def table(results):
    fields = [field for field in FIELDS if any(field[1] in row for rows in results.values() for row in rows)]
    lines = ["| contender | " + " | ".join(title for title, _, _ in fields) + " |", "|" + "---|" * (len(fields) + 1)]
    for name, rows in results.items():
        cells = []
        for _, field, shape in fields:
            values = [row[field] for row in rows]
            spread = f" ({shape.format(min(values))} to {shape.format(max(values))})" if len(values) > 1 else ""
            cells.append(shape.format(statistics.median(values)) + spread)
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def measure(options, base, scene):
    """All rounds of one scene: the section of the document."""
    bench = Crowd(options, base, scene)
    names = options.contenders + scene.also
    results = {name: [] for name in names}
    for number in range(options.rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            row = bench.run(name)
            results[name].append(row)
            shown = "  ".join(f"{title} {shape.format(row[field])}" for title, field, shape in FIELDS if field in row)
            print(f"{scene.title}, round {number + 1}, {name}: {shown}", flush=True)
    return (f"## {scene.title}\n\n{scene.size // MIB} MiB; the bound is {scene.bound():.1f} s.\n\n{table(results)}\n")


def head(options, load, bare):
    rounds = f"{options.rounds} rounds that alternate; each cell is the median (smallest to largest)"
    if options.rounds == 1:
        rounds = "one round, so differences of a few hundredths mean nothing"
    return (f"# Benchmarks: the crowd\n\nMade by `cargo xtask bench crowd` on {time.strftime('%Y-%m-%d', time.gmtime())}, "
            f"{rounds}. Every peer is a host of its "
            f"own (network namespace), its uplink held to {options.uplink_mib:g} MiB/s by the kernel (token bucket, burst 64 KB, "
            f"at most 100 ms of queue) where nothing else is said, its downlink free. Time runs from the first start until the "
            f"last has every byte verified; every copy is compared with its source; all stay until the last is done. The bound is "
            f"that of Kurose and Ross, max(F/us, NF/(us + sum of ui)), counted in bytes of the file although the uplinks carry "
            f"headers too: **a bare TCP stream through the same uplink needs {bare:.3f} of its bound**, so no program that "
            f"runs over TCP comes below that. Fairness is Jain's index, of what each received per second until it was "
            f"done, and of what each had received at half of the bound.\n\n"
            f"Rivals: {versions(options.contenders)}; version 1 torrent, pieces of 128 KiB as ours, an HTTP tracker. Ours: the hybrid "
            f"torrent that `share` makes, our own tracker, everything as it ships. Who only takes is held to {RIDER_UPLOAD >> 10} KiB/s by its own upload limit, behind "
            f"which its requests may wait too; it is waited for, and the source's copies count what it went on getting.\n\nMachine: {os.cpu_count()} cores, "
            f"{platform.system()} {platform.release()}, congestion control "
            f"{pathlib.Path('/proc/sys/net/ipv4/tcp_congestion_control').read_text().strip()}; load average when the run "
            f"began: {load:.1f}.\n\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="8 equal peers only; nothing is written")
    parser.add_argument("--size-mib", type=int, default=64, help="the longest file; some scenes take half or a quarter")
    parser.add_argument("--example-mib", type=int, default=16, help="the file of the documents' example")
    parser.add_argument("--uplink-mib", type=float, default=4, help="MiB a second of each uplink")
    parser.add_argument("--rounds", type=int, default=1)
    names = list(scenes(1, 1, 1))
    parser.add_argument("--scenes", nargs="+", default=names, choices=names)
    parser.add_argument("--contenders", nargs="+", default=list(contenders.ALL), choices=list(contenders.ALL))
    parser.add_argument("--base", default="/dev/shm", help="a RAM disk with room for all copies")
    parser.add_argument("--programs", default=ROOT / "target" / "release", help="folder of peer and tracker")
    parser.add_argument("--timeout", type=int, default=120, help="least seconds for one crowd")
    parser.add_argument("--write", default=ROOT / "docs" / "benchmarks-crowd.md", help="where the tables go; - for nowhere")
    options = parser.parse_args()
    if options.quick:
        options.scenes, options.write = ["equal-8"], "-"
    Shaped.enter()
    load = os.getloadavg()[0]
    known = scenes(options.uplink_mib * MIB, options.size_mib, options.example_mib)
    base = pathlib.Path(tempfile.mkdtemp(prefix="enjambre-crowd.", dir=options.base))
    try:
        hosts = 1 + max(len(known[word].uplinks) for word in options.scenes)
        options.places = Shaped([options.uplink_mib * MIB] * hosts)
        bare = options.places.bare_stream(options.uplink_mib * MIB)
        print(f"a bare TCP stream through one of the uplinks: {bare:.3f} of its bound\n", flush=True)
        text = head(options, load, bare)
        for word in options.scenes:
            section = measure(options, base, known[word])
            print("\n" + section, flush=True)
            text += section + "\n"
            if str(options.write) != "-":
                # After every scene: whoever breaks off keeps what there is.
                pathlib.Path(options.write).write_text(text.rstrip("\n") + "\n")
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
