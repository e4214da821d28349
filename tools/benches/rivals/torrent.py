"""What the rivals need and our own programs do not: a version 1 torrent file and an HTTP tracker."""

import hashlib
import http.server
import socket
import struct
import threading
import urllib.parse


def bencode(value):
    if isinstance(value, int):
        return b"i" + str(value).encode() + b"e"
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return str(len(value)).encode() + b":" + value
    if isinstance(value, list):
        return b"l" + b"".join(bencode(item) for item in value) + b"e"
    items = sorted((key.encode(), item) for key, item in value.items())
    return b"d" + b"".join(bencode(key) + bencode(item) for key, item in items) + b"e"


def write_torrent(source, target, announce, piece_length=1 << 20):
    """Version 1, of a file or of a folder: what each rival is fastest with."""
    files = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
    pieces, rest = [], b""
    for file in files:
        with open(file, "rb") as data:
            while part := data.read(piece_length - len(rest)):
                rest += part
                if len(rest) == piece_length:
                    pieces.append(hashlib.sha1(rest).digest())
                    rest = b""
    if rest:
        pieces.append(hashlib.sha1(rest).digest())
    info = {"name": source.name, "piece length": piece_length, "pieces": b"".join(pieces)}
    if source.is_file():
        info["length"] = source.stat().st_size
    else:
        info["files"] = [{"length": file.stat().st_size, "path": list(file.relative_to(source).parts)} for file in files]
    target.write_bytes(bencode({"announce": announce, "info": info}))


class HttpTracker:
    """Remembers who announced and answers with the others. One torrent at a time."""

    def __init__(self, host):
        self.lock = threading.Lock()
        self.peers = {}
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                body = owner.answer(self.client_address[0], urllib.parse.urlsplit(self.path).query)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer((host, 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://{host}:{self.server.server_port}/announce"

    def answer(self, host, query):
        fields = dict(pair.split("=", 1) for pair in query.split("&") if "=" in pair)
        asker = (host, int(fields["port"]))
        with self.lock:
            others = [address for address in self.peers if address != asker]
            self.peers[asker] = int(fields.get("left") or 0)
            if fields.get("event") == "stopped":
                del self.peers[asker]
        compact = b"".join(socket.inet_aton(host) + struct.pack(">H", port) for host, port in others)
        return bencode({"interval": 1800, "peers": compact})

    def forget(self):
        with self.lock:
            self.peers.clear()

    def seeds(self):
        with self.lock:
            return sum(1 for left in self.peers.values() if left == 0)
