"""One libtorrent session with one torrent. Its order is one JSON object, its story JSON lines."""
import json
import sys
import libtorrent as lt

order = json.loads(sys.argv[1])
listen = order["listen"]
ip = listen.rsplit(":", 1)[0]
settings = {
    "listen_interfaces": listen,
    "outgoing_interfaces": "" if ip == "0.0.0.0" else ip,
    "enable_dht": bool(order["dht_nodes"]),
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    "allow_multiple_connections_per_ip": True,
    "dht_bootstrap_nodes": ",".join(order["dht_nodes"]),
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_ignore_dark_internet": False,
    "min_reconnect_time": 2,
    "min_announce_interval": 2,
    "alert_mask": lt.alert.category_t.status_notification | lt.alert.category_t.error_notification
    | lt.alert.category_t.tracker_notification | lt.alert.category_t.peer_notification
    | lt.alert.category_t.connect_notification | lt.alert.category_t.dht_notification,
}
settings.update(order["settings"])
session = lt.session(settings)


def tell(**what):
    print(json.dumps(what), flush=True)


params = lt.parse_magnet_uri(order["magnet"]) if order["magnet"] else lt.add_torrent_params()
if order["torrent"]:
    if hasattr(lt, "load_torrent_file"):
        params = lt.load_torrent_file(order["torrent"])
    else:
        params.ti = lt.torrent_info(order["torrent"])
params.save_path = order["data"]
params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
handle = session.add_torrent(params)


def split(text):
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


for node in order["dht_nodes"]:
    session.add_dht_node(split(node))
for peer in order["peers"]:
    handle.connect_peer(split(peer))
tell(type="started", version=lt.__version__)
last = None
while True:
    session.wait_for_alert(500)
    for alert in session.pop_alerts():
        tell(type="alert", what=alert.what(), text=alert.message())
    status = handle.status()
    now = (str(status.state), round(status.progress, 3), status.num_peers)
    if now != last:
        last = now
        tell(type="status", state=now[0], progress=now[1], peers=now[2])
