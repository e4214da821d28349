"""What people do without any of this: one web server, everybody fetches from it."""

import sys
import time

from measure import Measured, wait_for


class HttpServer:
    """Python's own web server, with a thread for each client, and curl."""
    name = "http"

    def __init__(self, bench):
        self.bench = bench

    def seed(self, number, work):
        self.place = self.bench.places.place(number)
        return Measured([*self.place.prefix, sys.executable, "-u", "-m", "http.server", "--protocol", "HTTP/1.1", "--bind",
                         self.place.host, "--directory", self.bench.source.parent, self.place.port], work / "server.log")

    def seeds_ready(self, seeds):
        wait_for(lambda: "Serving" in seeds[0].tail() or None, 60, "web server", seeds)

    def fetch(self, number, work, limit=None):
        place = self.bench.places.place(number)
        url = f"http://{self.place.host}:{self.place.port}/{self.bench.source.name}"
        process = Measured([*place.prefix, "curl", "--silent", "--fail", "--output", work / "out" / self.bench.source.name, url],
                           work / "fetch.log")

        def question():
            return (process.started, time.time()) if process.process.poll() == 0 else None
        return process, question
