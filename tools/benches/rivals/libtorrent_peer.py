"""One libtorrent session as one peer, with its settings for high performance.

libtorrent_peer.py seed|leech TORRENT FOLDER HOST PORT DONE_FILE MOST_BYTES_SENT_A_SECOND
A leech writes DONE_FILE when every piece is there and verified, with both times inside: added, finished.
"""

import os
import sys
import time

import libtorrent

role, torrent, folder, host, port, done_file, limit = sys.argv[1:]
settings = dict(libtorrent.high_performance_seed())
settings.update({
    "listen_interfaces": f"{host}:{port}",
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "enable_outgoing_utp": False, "enable_incoming_utp": False,
    "in_enc_policy": 2, "out_enc_policy": 2,                 # plain connections
    "allow_multiple_connections_per_ip": True,
    "upload_rate_limit": int(limit),                         # 0: none
    "aio_threads": 4, "hashing_threads": 2,
    "send_socket_buffer_size": 0, "recv_socket_buffer_size": 0,   # leave them to the kernel
    "alert_mask": libtorrent.alert.category_t.status_notification | libtorrent.alert.category_t.storage_notification
    | libtorrent.alert.category_t.error_notification,
})
session = libtorrent.session(settings)
parameters = libtorrent.add_torrent_params()
parameters.ti = libtorrent.torrent_info(torrent)
parameters.save_path = folder
flags = parameters.flags & ~(libtorrent.torrent_flags.auto_managed | libtorrent.torrent_flags.paused)
parameters.flags = flags | libtorrent.torrent_flags.seed_mode if role == "seed" else flags
added = time.time()
handle = session.add_torrent(parameters)
finished = None
while True:
    session.wait_for_alert(500)
    for alert in session.pop_alerts():
        if role == "leech" and finished is None and isinstance(alert, libtorrent.torrent_finished_alert):
            finished = time.time()                # every piece verified; some may still be in its write cache
            handle.flush_cache()
        elif finished and isinstance(alert, libtorrent.cache_flushed_alert):
            with open(done_file + ".new", "w") as done:
                done.write(f"{added!r} {finished!r}")
            os.rename(done_file + ".new", done_file)
        elif "error" in alert.what():
            print(alert.message(), flush=True)
