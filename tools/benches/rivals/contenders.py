"""How each contender is started as a seeder and as a downloader, at its best settings.

`seed` gives running processes that hold the whole file and can be reached. `fetch` starts a downloader and
gives (process, question): the question answers None, or (begun, finished) as wall-clock times, where finished
means that every byte is there and verified; `limit` is the most bytes a second that it sends. Each runs at the
place of its number.
"""

import json
import pathlib
import sys
import time

from measure import Measured, wait_for
from places import FIRST_PORT

HERE = pathlib.Path(__file__).resolve().parent


class Aria2:
    name = "aria2"

    def __init__(self, bench):
        self.bench = bench

    def command(self, number, folder, extra):
        place = self.bench.places.place(number)
        return [*place.prefix, "aria2c", "--no-conf", f"--interface={place.host}", f"--listen-port={place.port}",
                "--disable-ipv6=true", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false",
                "--bt-require-crypto=false", "--bt-max-peers=0", "--bt-request-peer-speed-limit=1000M",
                "--file-allocation=none", "--disk-cache=64M", "--seed-ratio=0.0", "--summary-interval=0",
                "--console-log-level=warn", "--async-dns=false", f"--dir={folder}", *extra, self.bench.torrent]

    def seed(self, number, work):
        extra = ["--bt-seed-unverified=true", "--check-integrity=false", "--allow-overwrite=true"]
        return Measured(self.command(number, self.bench.source.parent, extra), work / f"seed{number}.log")

    def seeds_ready(self, seeds):
        wait_for(lambda: True if self.bench.tracker.seeds() >= len(seeds) else None, 60, "seeders announced", seeds)

    def fetch(self, number, work, limit=None):
        done, hook = work / "done", work / "hook.sh"
        hook.write_text(f"#!/bin/sh\ndate +%s.%N > {done}.new && mv {done}.new {done}\n")
        hook.chmod(0o755)
        extra = [f"--on-bt-download-complete={hook}", *([f"--max-upload-limit={limit}"] if limit else [])]
        process = Measured(self.command(number, work / "out", extra), work / "fetch.log")

        def question():
            return (process.started, float(done.read_text())) if done.exists() else None
        return process, question


class Libtorrent:
    name = "libtorrent"

    def __init__(self, bench):
        self.bench = bench

    def command(self, role, number, folder, done, limit=None):
        place = self.bench.places.place(number)
        return [*place.prefix, sys.executable, HERE / "libtorrent_peer.py", role, self.bench.torrent, folder,
                place.host, place.port, done, limit or 0]

    def seed(self, number, work):
        return Measured(self.command("seed", number, self.bench.source.parent, "-"), work / f"seed{number}.log")

    seeds_ready = Aria2.seeds_ready

    def fetch(self, number, work, limit=None):
        done = work / "done"
        process = Measured(self.command("leech", number, work / "out", done, limit), work / "fetch.log")

        def question():
            return tuple(map(float, done.read_text().split())) if done.exists() else None
        return process, question


class Enjambre:
    """Our own programs as they ship: `tracker`, `peer share`, `peer get`."""
    name = "enjambre"
    form = []

    def __init__(self, bench):
        self.bench = bench
        self.control = f"{bench.places.hub}:{FIRST_PORT + 90}"

    def command(self, number, work, words):
        folder = work / f"peer{number}"
        folder.mkdir()
        place = self.bench.places.place(number)
        return [*place.prefix, self.bench.programs / "peer", "--json", "--yes", "--tracker", self.control, "--nick", f"n{number}",
                "--dir", folder, "--listen", f"{place.host}:{place.port}", *words]

    def seed(self, number, work):
        if not hasattr(self, "tracker") or self.tracker.process.poll() is not None:
            folder = work / "tracker"
            folder.mkdir()
            self.tracker = Measured([self.bench.programs / "tracker", "--listen", self.control, "--dir", folder],
                                    work / "tracker.log")
        words = ["share", *self.form, self.bench.source]
        return Measured(self.command(number, work, words), work / f"seed{number}.log")

    def seeds_ready(self, seeds):
        for seed in seeds:
            wait_for(lambda seed=seed: line_of_type(seed.log_path, "share"), 120, "shared", [seed])

    def fetch(self, number, work, limit=None):
        words = [*(["--limit-up", f"{limit}B"] if limit else []), "get", self.bench.source.name, "--seed", "--into", work / "out"]
        process = Measured(self.command(number, work, words), work / "fetch.log")

        def question():
            return (process.started, time.time()) if line_of_type(process.log_path, "done") else None
        return process, question

    def finish(self):
        self.tracker.stop()


class EnjambreVersion1(Enjambre):
    """The same with a torrent such as the others have, without SHA-256."""
    name = "enjambre-v1"
    form = ["--format", "v1"]


def line_of_type(log, kind):
    """The first JSON line of a type in a log, if it is there."""
    with open(log, errors="replace") as lines:
        for line in lines:
            if line.startswith("{") and line.endswith("\n"):
                value = json.loads(line)
                if value.get("type") == kind:
                    return value
    return None


ALL = {contender.name: contender for contender in (Enjambre, Aria2, Libtorrent)}
BULK = {**ALL, EnjambreVersion1.name: EnjambreVersion1}
