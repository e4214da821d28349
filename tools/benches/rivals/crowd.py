#!/usr/bin/env python3
"""A crowd of downloaders behind shaped uplinks, ours against aria2 and libtorrent in the same run.

Every peer is a host of its own (network namespace), its uplink held to a rate by the kernel, its downlink free.
The source is ready first; then all downloaders start at once, or spread over time. The clock runs from the first
start until the last one has every byte verified, and is compared with the lower bound of Kurose and Ross:
max(F/us, NF/(us + sum of ui)). Everybody goes on giving until the last is done. Needs root.
"""

import argparse
import filecmp
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

import contenders
from places import Shaped
from torrent import HttpTracker, write_torrent

ROOT = pathlib.Path(__file__).resolve().parents[3]
MIB = 1 << 20


class Scenario:
    """Who has which uplink, who comes when, and who leaves half way."""

    def __init__(self, title, source, uplinks, joins_over=0.0, leave=()):
        self.title, self.source, self.uplinks = title, source, uplinks
        self.joins_over, self.leave = joins_over, set(leave)

    def bound(self, size):
        """Seconds that no protocol can beat. Those who leave count with what they could have given."""
        stay = len(self.uplinks) - len(self.leave)
        return max(size / self.source, stay * size / (self.source + sum(self.uplinks)))


def scenarios(count, rate):
    classes = [rate * (0.5, 1, 2)[number % 3] for number in range(count)]
    return {
        "equal": Scenario(f"{count} equal peers", rate, [rate] * count),
        "weak-source": Scenario(f"{count} peers, a source with a quarter of their uplink", rate / 4, [rate] * count),
        "classes": Scenario(f"{count} peers in three classes of speed", rate, classes),
        "leaving": Scenario(f"{count} peers, a tenth of them leaves half way", rate, [rate] * count,
                            leave=range(0, count, 10)),
        "joining": Scenario(f"{count} peers that join over half of the bound", rate, [rate] * count, joins_over=0.5),
    }


class Crowd:
    def __init__(self, options, base):
        self.base, self.options = base, options
        self.programs = pathlib.Path(options.programs).resolve()
        self.size = options.size_mib * MIB
        self.source = base / "source" / "crowd.bin"
        self.source.parent.mkdir()
        with open(self.source, "wb") as file:
            for _ in range(options.size_mib):
                file.write(os.urandom(MIB))
        self.places = Shaped([options.uplink_mib * MIB] * (max(options.peers) + 1))
        self.tracker = HttpTracker(self.places.hub)
        self.torrent = base / "crowd.torrent"
        write_torrent(self.source, self.torrent, self.tracker.url, piece_length=256 << 10)

    def run(self, name, scenario):
        contender = contenders.ALL[name](self)
        work = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}.", dir=self.base))
        for number, rate in enumerate([scenario.source, *scenario.uplinks]):
            self.places.shape(number, rate)
        bound = scenario.bound(self.size)
        running, crowd, gone = [], {}, set()
        try:
            self.tracker.forget()
            running.append(contender.seed(0, work))
            contender.seeds_ready(running)
            sent = [self.places.sent(number) for number in range(len(scenario.uplinks) + 1)]
            begun, finished = time.time(), {}
            pause = bound * scenario.joins_over / max(1, len(scenario.uplinks) - 1)
            while len(finished) < len(scenario.uplinks) - len(scenario.leave):
                now = time.time() - begun
                if now > self.options.timeout:
                    raise TimeoutError(f"{name}: {len(finished)} done after {self.options.timeout} s")
                while len(crowd) < len(scenario.uplinks) and now >= pause * len(crowd):
                    number = len(crowd) + 1
                    folder = work / f"take{number}"
                    (folder / "out").mkdir(parents=True)
                    process, question = contender.fetch(number, folder)
                    running.append(process)
                    crowd[number] = (process, question, folder)
                for number, (process, question, _) in crowd.items():
                    if number - 1 in scenario.leave:
                        if now >= bound / 2 and number not in gone:
                            process.process.kill()
                            gone.add(number)
                    elif number not in finished:
                        process.check()
                        answer = question()
                        if answer:
                            finished[number] = answer[1] - begun
                time.sleep(0.02)
            last = max(finished.values())
            sent = [self.places.sent(number) - before for number, before in enumerate(sent)]
        finally:
            for measured in reversed(running):
                measured.stop()
            if hasattr(contender, "finish"):
                contender.finish()
        for number, (_, _, folder) in crowd.items():
            if number in finished and not filecmp.cmp(self.source, folder / "out" / self.source.name, shallow=False):
                raise RuntimeError(f"{name}: the copy of peer {number} differs from its source")
        shutil.rmtree(work)
        return {"last": last, "ratio": last / bound, "median": statistics.median(finished.values()),
                "copies": sent[0] / self.size, "overhead": sum(sent) / (len(finished) * self.size)}


FIELDS = [("last, s", "last", "{:.1f}"), ("last / bound", "ratio", "{:.2f}"), ("median, s", "median", "{:.1f}"),
          ("copies from the source", "copies", "{:.2f}"), ("bytes on wires / bytes delivered", "overhead", "{:.3f}")]


def table(results):
    lines = ["| contender | " + " | ".join(title for title, _, _ in FIELDS) + " |", "|" + "---|" * (len(FIELDS) + 1)]
    for name, rows in results.items():
        cells = []
        for _, field, shape in FIELDS:
            values = [row[field] for row in rows]
            cells.append(f"{shape.format(statistics.median(values))} "
                         f"({shape.format(min(values))} to {shape.format(max(values))})")
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--size-mib", type=int, default=64)
    parser.add_argument("--uplink-mib", type=float, default=4, help="MiB a second of each uplink")
    parser.add_argument("--rounds", type=int, default=5)
    names = list(scenarios(1, 1))
    parser.add_argument("--scenarios", nargs="+", default=names, choices=names)
    parser.add_argument("--contenders", nargs="+", default=list(contenders.ALL), choices=list(contenders.ALL))
    parser.add_argument("--base", default="/dev/shm", help="a RAM disk with room for all copies")
    parser.add_argument("--programs", default=ROOT / "target" / "release", help="folder of peer and tracker")
    parser.add_argument("--timeout", type=int, default=240, help="seconds for one crowd")
    parser.add_argument("--write", default="-", help="where the tables go; - for nowhere")
    options = parser.parse_args()
    Shaped.enter()
    base = pathlib.Path(tempfile.mkdtemp(prefix="enjambre-crowd.", dir=options.base))
    sections = []
    try:
        bench = Crowd(options, base)
        for count in options.peers:
            known = scenarios(count, options.uplink_mib * MIB)
            for word in options.scenarios:
                scenario, results = known[word], {name: [] for name in options.contenders}
                for number in range(options.rounds):
                    turn = number % len(options.contenders)
                    for name in options.contenders[turn:] + options.contenders[:turn]:
                        row = bench.run(name, scenario)
                        results[name].append(row)
                        shown = "  ".join(f"{title} {shape.format(row[field])}" for title, field, shape in FIELDS)
                        print(f"{scenario.title}, round {number + 1}, {name}: {shown}", flush=True)
                bound = scenario.bound(bench.size)
                section = f"### {scenario.title}: the bound is {bound:.1f} s\n\n{table(results)}\n"
                print("\n" + section, flush=True)
                sections.append(section)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    if options.write != "-":
        pathlib.Path(options.write).write_text("\n".join(sections))


if __name__ == "__main__":
    sys.exit(main())
