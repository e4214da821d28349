// This peer's own downloads. The token comes behind the # of the address, which no browser sends anywhere.
import { $, bytes, drawMap, duration, el, number, percent, rate, say, t, translate } from "./text.js";

const token = location.hash.slice(1);
const rows = new Map();
let limitsShown = false;

translate();

async function ask(method, path, body) {
  const headers = { Authorization: `Bearer ${token}` };
  if (method === "POST") headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: method === "POST" ? JSON.stringify(body ?? {}) : undefined });
  const said = await answer.json();
  if (!answer.ok) {
    const error = new Error(said.text);
    error.status = answer.status;
    throw error;
  }
  return said;
}

function status(word) {
  $("state").dataset.state = word;
  say($("state"), t(word === "wrong" ? "no_token" : word));
}

async function look() {
  try {
    draw(await ask("GET", "/api/v1/torrents"));
    status("live");
  } catch (error) {
    status(error.status === 401 ? "wrong" : "lost");
    if (error.status === 401) return;
  }
  setTimeout(look, 1000);
}

function draw(told) {
  const { torrents, limits } = told;
  const sum = (key) => torrents.reduce((all, one) => all + one[key], 0);
  say($("down"), rate(sum("rate_down")));
  say($("up"), rate(sum("rate_up")));
  say($("hint"), torrents.length === 0 ? t("no_torrents") : "");
  if (!limitsShown) {
    limitsShown = true;
    for (const side of ["down", "up"]) $(`limit-${side}`).value = limits[side] ? Math.round(limits[side] / 1000) : "";
  }
  const here = new Set(torrents.map((one) => one.id));
  for (const [id, row] of rows) if (!here.has(id)) { row.root.remove(); rows.delete(id); }
  torrents.forEach((one, index) => {
    let row = rows.get(one.id);
    if (!row) { row = make(one); rows.set(one.id, row); }
    const place = $("torrents");
    if (place.children[index] !== row.root) place.insertBefore(row.root, place.children[index] ?? null);
    fill(row, one);
  });
}

function make(one) {
  const id = `torrent-${one.id}`;
  const facts = el("p", { class: "facts" });
  const map = el("canvas", { class: "map", "aria-hidden": "true" });
  const button = (word, act) => {
    const made = el("button", { "aria-describedby": id }, t(word));
    made.addEventListener("click", () => act().then(() => say($("outcome"), t("done")), (error) => say($("outcome"), t("failed", { text: error.message }))));
    return made;
  };
  const steer = (word) => ask("POST", `/api/v1/torrents/${one.id}/${word}`);
  const pause = button("pause", () => steer("pause"));
  const resume = button("resume", () => steer("resume"));
  const cancel = button("cancel", async () => { if (confirm(t("cancel_sure", { name: one.name }))) await steer("cancel"); });
  const heading = el("h3", { id });
  const root = el("article", { class: "share", "aria-labelledby": id }, heading, facts, map, el("p", { class: "steer" }, pause, " ", resume, " ", cancel));
  return { root, heading, facts, map, pause, resume, cancel };
}

function fill(row, one) {
  say(row.heading, one.name);
  const facts = [percent(Math.floor(one.percent)), bytes(one.size), t(`s_${one.state}`, { text: one.error ?? "" })];
  if (one.rate_down > 0) facts.push(`↓ ${rate(one.rate_down)}`);
  if (one.rate_up > 0) facts.push(`↑ ${rate(one.rate_up)}`);
  if (one.eta !== null) facts.push(t("left_time", { time: duration(one.eta) }));
  facts.push(t("connected_to", { n: number(one.peers) }));
  say(row.facts, facts.join(" · "));
  drawMap(row.map, one.cells, one.percent);
  const stopped = ["paused", "disk_full", "error"].includes(one.state);
  const whole = one.percent >= 100;
  row.pause.hidden = stopped;
  row.resume.hidden = !stopped;
  row.cancel.hidden = whole || one.share;
}

$("limits").addEventListener("submit", async (event) => {
  event.preventDefault();
  const limit = (side) => { const n = Number($(`limit-${side}`).value); return n > 0 ? Math.round(n * 1000) : null; };
  try {
    await ask("POST", "/api/v1/limits", { down: limit("down"), up: limit("up") });
    say($("outcome"), t("done"));
  } catch (error) {
    say($("outcome"), t("failed", { text: error.message }));
  }
});

look();
