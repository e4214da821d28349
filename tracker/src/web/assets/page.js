// The page: everything that the stream tells is kept here as it was told, and drawn at most twice a second.
import { $, bytes, date, drawMap, duration, el, number, percent, rate, say, t, time, translate } from "./text.js";
import { Picture } from "./swarm.js";
import { Chart } from "./chart.js";
import { operate } from "./operator.js";

const LINES = 100;
const HOLDERS = 12;

const state = { tracker: null, peers: new Map(), shares: new Map(), flows: [], rate: 0, rates: [], log: [] };
let changed = new Set();
let connected = false;

translate();
const picture = new Picture($("picture"));
const chart = new Chart($("chart"), (now, most) => t("chart_summary", { now: rate(now), most: rate(most) }));

function follow() {
  status("connecting");
  const source = new EventSource("/api/v1/events");
  source.addEventListener("snapshot", (event) => {
    const told = JSON.parse(event.data);
    state.peers = new Map();
    state.shares = new Map();
    state.rates = told.rates;
    state.log = [];
    take(told);
    $("shares").replaceChildren();
    cards.clear();
    $("log").replaceChildren();
    $("messages").replaceChildren();
    changed = new Set(["tracker", "peers", "shares", "flows", "log", "rates"]);
    status("live");
    draw();
  });
  source.addEventListener("delta", (event) => { take(JSON.parse(event.data)); draw(); });
  source.addEventListener("error", () => {
    status("lost");
    // A refusal ends the stream for good; a broken connection is tried again by the browser.
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 5000);
  });
}

function take(told) {
  state.now = told.now;
  if (told.tracker) { state.tracker = told.tracker; changed.add("tracker"); }
  for (const kind of ["peers", "shares"]) {
    for (const [key, row] of Object.entries(told[kind] ?? {})) {
      if (row === null) state[kind].delete(key); else state[kind].set(key, row);
      changed.add(kind);
    }
  }
  if (told.flows) { state.flows = told.flows; changed.add("flows"); }
  if (told.rate !== undefined) { state.rate = told.rate; changed.add("flows"); }
  if (told.log) { state.fresh = (state.fresh ?? []).concat(told.log); changed.add("log"); }
}

function status(word) {
  connected = word === "live";
  $("state").dataset.state = word;
  say($("state"), t(word));
}

function draw() {
  const is = (...kinds) => kinds.some((kind) => changed.has(kind));
  if (is("tracker", "flows", "shares")) figures();
  if (is("peers", "flows", "shares")) swarm();
  if (is("shares", "tracker")) files();
  if (is("log")) log();
  if (is("rates")) chart.show(state.rates);
  changed = new Set();
}

// The chart's points come from what is told; where nothing is told nothing changed.
setInterval(() => {
  if (!connected) return;
  state.rates.push([Date.now(), state.rate]);
  if (state.rates.length > 600) state.rates.shift();
  chart.show(state.rates);
}, 1000);

function figures() {
  const { tracker } = state;
  say($("join"), `peer --tracker ${location.hostname}${tracker.port === 5000 ? "" : `:${tracker.port}`}`);
  say($("online"), tracker.unnamed > 0 ? t("and_unnamed", { named: number(tracker.online), n: number(tracker.unnamed) }) : number(tracker.online));
  say($("entries"), `${number(tracker.entries)} · ${bytes(tracker.bytes)}`);
  say($("moving"), rate(state.rate));
  let [all, source] = [0, 0];
  for (const share of state.shares.values()) { all += share.delivered; source += Math.min(share.from_origin, share.delivered); }
  say($("saved"), all > 0 ? t("saved_of", { saved: bytes(all - source), all: bytes(all) }) : t("nothing_yet"));
  say($("foot"), t("foot", { version: tracker.version, since: date(tracker.started), most: number(tracker.most_online) }));
  const trouble = $("trouble");
  trouble.hidden = tracker.keeps;
  say(trouble, tracker.keeps ? "" : t("cannot_keep"));
}

function swarm() {
  const peers = [...state.peers.values()];
  // A cell is as full as what its peer still misses is there; who misses nothing and has something is full.
  const sums = new Map();
  for (const share of state.shares.values()) {
    for (const holder of share.holders) {
      const sum = sums.get(holder.peer) ?? { has: 0, of: 0, any: 0 };
      sum.any += 1;
      if (!holder.full) { sum.has += share.size * holder.percent / 100; sum.of += share.size; }
      sums.set(holder.peer, sum);
    }
  }
  const fill = new Map();
  for (const [peer, sum] of sums) fill.set(peer, sum.of > 0 ? sum.has / sum.of : 1);
  picture.draw(peers, fill, state.flows, state.rate);
  const missing = state.tracker.online - peers.length;
  say($("picture-hint"), peers.length === 0 ? t("nobody") : missing > 0 ? t("more_peers", { n: number(missing) }) : "");

  const nicks = new Map(peers.map((peer) => [peer.peer, peer.nick]));
  const name = (peer) => nicks.get(peer) ?? t("others");
  rows($("peers"), peers, (peer) => [peer.nick, peer.agent, number(peer.shares), rate(peer.down), rate(peer.up)], 2);
  rows($("flows"), state.flows, ([from, to, moved]) => [name(from), name(to), rate(moved)], 2);
  if (state.flows.length === 0) $("flows").replaceChildren(el("tr", {}, el("td", { colspan: 3 }, t("nothing_moves"))));
  const list = $("nicks");
  if (list.children.length !== peers.length || changed.has("peers")) {
    list.replaceChildren(...peers.filter((peer) => peer.chat).map((peer) => el("option", { value: peer.nick })));
  }
}

// Table rows, each cell only written when its text differs; the first one is the row's header.
function rows(body, list, cells, numbersFrom) {
  while (body.children.length > list.length) body.lastElementChild.remove();
  list.forEach((item, index) => {
    const texts = cells(item);
    let row = body.children[index];
    if (!row || row.children.length !== texts.length) {
      const made = el("tr", {}, ...texts.map((_, column) => column === 0
        ? el("th", { scope: "row" }) : el("td", { class: column >= numbersFrom ? "n" : null })));
      if (row) row.replaceWith(made); else body.append(made);
      row = made;
    }
    texts.forEach((text, column) => say(row.children[column], text));
  });
}

const cards = new Map();

function files() {
  const shares = [...state.shares.values()];
  const moves = (share) => share.holders.some((holder) => !holder.full);
  shares.sort((a, b) => (moves(b) - moves(a)) || a.name.localeCompare(b.name) || a.entry.localeCompare(b.entry));
  const place = $("shares");
  const hint = $("files-hint");
  if (shares.length === 0) say(hint, t("no_files"));
  else if (state.tracker.entries > shares.length) {
    hint.replaceChildren(t("more_files", { shown: number(shares.length), all: number(state.tracker.entries) }), " ",
      el("a", { href: "/list" }, t("all_files")));
  } else say(hint, "");
  for (const [entry, card] of cards) if (!state.shares.has(entry)) { card.root.remove(); cards.delete(entry); }
  shares.forEach((share, index) => {
    let card = cards.get(share.entry);
    if (!card) { card = makeCard(share); cards.set(share.entry, card); }
    if (place.children[index] !== card.root) place.insertBefore(card.root, place.children[index] ?? null);
    if (card.share !== share) { card.share = share; fillCard(card, share); }
  });
}

function magnetOf(share) {
  const topics = [];
  if (share.info_hash_v1) topics.push(`xt=urn:btih:${share.info_hash_v1}`);
  if (share.info_hash_v2) topics.push(`xt=urn:btmh:1220${share.info_hash_v2}`);
  const tracker = encodeURIComponent(`http://${location.host}/announce`);
  const udp = encodeURIComponent(`udp://${location.host}/announce`);
  return `magnet:?${topics.join("&")}&dn=${encodeURIComponent(share.name)}&tr=${tracker}&tr=${udp}`;
}

function makeCard(share) {
  const id = `file-${share.entry}`;
  const heading = el("h3", { id }, share.name);
  const facts = el("p", { class: "facts" });
  const picture = el("img", { alt: t("qr_alt", { name: share.name }), width: 200, height: 200, loading: "lazy" });
  const qr = el("details", { class: "qr" }, el("summary", {}, t("qr")), picture);
  qr.addEventListener("toggle", () => { if (qr.open && !picture.src) picture.src = `/qr/${encodeURIComponent(share.entry)}.svg`; });
  const links = el("p", { class: "links" },
    el("a", { href: `/t/${encodeURIComponent(share.entry)}.torrent`, "aria-describedby": id }, t("torrent")),
    el("a", { href: magnetOf(share), "aria-describedby": id }, t("magnet")));
  const holders = el("ul", { class: "holders" });
  const complete = el("p", { class: "complete" });
  const savings = el("p", { class: "savings" });
  const root = el("article", { class: "share", "aria-labelledby": id }, heading, facts, holders, complete, savings,
    el("div", { class: "get" }, links, qr));
  return { root, facts, holders, complete, savings, rows: new Map() };
}

function fillCard(card, share) {
  const copies = share.full === 1 ? t("copy") : share.full > 1 ? t("copies", { n: number(share.full) }) : t("no_copy");
  const facts = [bytes(share.size)];
  if (share.files > 1) facts.push(t("files_in", { n: number(share.files) }));
  facts.push(copies);
  if (share.sources === 0 && share.by.length > 0 && share.seen) facts.push(t("had_by", { by: share.by.join(", "), seen: date(share.seen) }));
  if (share.rate > 0) facts.push(rate(share.rate));
  if (share.completed > 0) facts.push(t("finished", { n: number(share.completed) }));
  say(card.facts, facts.join(" · "));

  const parts = share.holders.filter((holder) => !holder.full);
  const shown = parts.slice(0, HOLDERS);
  const keys = new Set(shown.map((holder) => holder.peer));
  for (const [peer, row] of card.rows) if (!keys.has(peer)) { row.root.remove(); card.rows.delete(peer); }
  shown.forEach((holder, index) => {
    let row = card.rows.get(holder.peer);
    if (!row) {
      const nick = el("span", { class: "who" });
      const canvas = el("canvas", { class: "map", "aria-hidden": "true" });
      const amount = el("span", { class: "amount" });
      row = { root: el("li", {}, nick, canvas, amount), nick, canvas, amount };
      card.rows.set(holder.peer, row);
    }
    if (card.holders.children[index] !== row.root) card.holders.insertBefore(row.root, card.holders.children[index] ?? null);
    say(row.nick, holder.nick);
    say(row.amount, holder.down > 0 ? `${percent(holder.percent)} · ${rate(holder.down)}` : percent(holder.percent));
    row.map = [holder.cells, holder.percent];
    drawMap(row.canvas, ...row.map);
  });
  const full = share.holders.filter((holder) => holder.full).map((holder) => holder.nick);
  const rest = share.sources - shown.length - full.length;
  const names = full.length > 0 ? `${t("complete")}: ${full.join(", ")}` : "";
  say(card.complete, rest > 0 ? `${names} ${t("more_holders", { n: number(rest) })}`.trim() : names);
  const source = Math.min(share.from_origin, share.delivered);
  say(card.savings, share.delivered === 0 ? "" : t("savings", {
    all: bytes(share.delivered), source: bytes(source), percent: percent(Math.floor(100 * (1 - source / share.delivered))),
  }));
}

function sentence(item) {
  const share = { nick: item.nick, name: item.name, percent: item.percent !== undefined ? percent(item.percent) : "" };
  switch (item.kind) {
    case "joined": return t(item.client ? "e_client" : "e_joined", item);
    case "left": return t({ left: "e_left", lost: "e_lost", kicked: "e_kicked" }[item.how], item);
    case "shared": return t("e_shared", { ...share, size: bytes(item.size) });
    case "done": return item.millis === null ? t("e_done", share) : t("e_done_in", { ...share, time: duration(item.millis) });
    case "unshared": case "started": case "quarter": case "stopped": return t(`e_${item.kind}`, share);
    case "removed": return t("e_removed", share);
    case "notice": return t("e_notice", item);
    default: return null;
  }
}

function log() {
  for (const item of state.fresh ?? []) {
    const at = el("time", { datetime: new Date(item.at).toISOString() }, time(item.at));
    if (item.kind === "message" || item.kind === "notice") {
      const from = item.kind === "notice" ? t("notice_from") : item.from;
      const to = item.kind === "notice" || item.to === "*" ? t("to_all") : item.to;
      const text = item.text ?? t("hidden_text", { n: number(item.bytes) });
      add($("messages"), el("li", { class: item.kind }, at, " ", el("b", {}, from), " ",
        el("span", { class: "to" }, to), " ", el("span", { class: "said" }, text)));
      continue;
    }
    const text = sentence(item);
    if (text) add($("log"), el("li", { class: item.kind }, at, " ", text));
  }
  state.fresh = [];
  for (const [id, word] of [["log", "no_log"], ["messages", "no_messages"]]) {
    if ($(id).children.length === 0) $(id).append(el("li", { class: "hint" }, t(word)));
  }
}

// Newest first.
function add(list, line) {
  list.querySelector(".hint")?.remove();
  list.prepend(line);
  while (list.children.length > LINES) list.lastElementChild.remove();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  chart.restyle();
  for (const card of cards.values()) for (const row of card.rows.values()) drawMap(row.canvas, ...row.map);
});

operate();
follow();
