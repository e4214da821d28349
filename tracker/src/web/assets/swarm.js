// The swarm as a picture: each peer a cell of a honeycomb that fills with what it has, each flow an arc.
import { number, rate, svg, t } from "./text.js";

const WIDTH = 900;
const HEIGHT = 460;
// Beyond this many the names would cover each other.
const NAMED = 36;
const LABELLED = 6;

export class Picture {
  constructor(place) {
    this.root = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", class: "swarm" });
    this.edges = svg("g", { class: "edges" });
    this.nodes = svg("g", { class: "nodes" });
    this.labels = svg("g", { class: "labels", "aria-hidden": "true" });
    this.root.append(this.edges, this.nodes, this.labels);
    place.replaceChildren(this.root);
    this.drawn = new Map();
    this.arcs = new Map();
  }

  // `peers`: {peer, nick, chat}; `fill`: how much of what it wants each has, 0 to 1; `flows`: [from, to, rate].
  draw(peers, fill, flows, total) {
    const outside = flows.some(([from, to]) => from === 0 || to === 0);
    const all = [...peers].sort((a, b) => a.peer - b.peer);
    if (outside) all.push({ peer: 0, nick: t("others"), chat: false });
    const places = arrange(all);
    this.#nodes(all, places, fill);
    this.#arcs(flows, places);
    this.root.setAttribute("aria-label",
      t("swarm_summary", { peers: number(peers.length), flows: number(flows.length), rate: rate(total) }));
  }

  #nodes(all, places, fill) {
    const named = all.length <= NAMED;
    const seen = new Set();
    for (const one of all) {
      seen.add(one.peer);
      const place = places.get(one.peer);
      let node = this.drawn.get(one.peer);
      if (!node) {
        node = make(one);
        this.drawn.set(one.peer, node);
        this.nodes.append(node.group);
      }
      const { x, y, size } = place;
      node.group.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)}) scale(${size.toFixed(2)})`);
      const share = fill.get(one.peer);
      node.group.setAttribute("class", `node${one.chat ? "" : " client"}${share === undefined ? " idle" : share >= 1 ? " full" : " part"}`);
      const height = 36 * (share ?? 0);
      node.level.setAttribute("y", (18 - height).toFixed(1));
      node.level.setAttribute("height", height.toFixed(1));
      node.name.textContent = named ? short(one.nick) : "";
      node.title.textContent = one.nick;
    }
    for (const [peer, node] of this.drawn) {
      if (!seen.has(peer)) { node.group.remove(); this.drawn.delete(peer); }
    }
  }

  #arcs(flows, places) {
    const seen = new Set();
    this.labels.replaceChildren();
    flows.forEach(([from, to, moved], index) => {
      const a = places.get(from);
      const b = places.get(to);
      if (!a || !b) return;
      const key = `${from}-${to}`;
      seen.add(key);
      let arc = this.arcs.get(key);
      if (!arc) {
        arc = svg("path", { class: "arc" });
        this.arcs.set(key, arc);
        this.edges.append(arc);
      }
      // Towards the middle, so that both directions of a pair lie apart.
      const bend = from < to ? 0.28 : 0.44;
      const mx = (a.x + b.x) / 2 + (WIDTH / 2 - (a.x + b.x) / 2) * bend;
      const my = (a.y + b.y) / 2 + (HEIGHT / 2 - (a.y + b.y) / 2) * bend;
      arc.setAttribute("d", `M${a.x.toFixed(1)} ${a.y.toFixed(1)}Q${mx.toFixed(1)} ${my.toFixed(1)} ${b.x.toFixed(1)} ${b.y.toFixed(1)}`);
      arc.setAttribute("stroke-width", (1 + Math.max(0, Math.log10(moved / 1000))).toFixed(1));
      arc.setAttribute("class", index < LABELLED ? "arc most" : "arc");
      if (index < LABELLED) {
        const label = svg("text", {
          x: ((a.x + 2 * mx + b.x) / 4).toFixed(1), y: ((a.y + 2 * my + b.y) / 4).toFixed(1), class: "moved",
        });
        label.textContent = rate(moved);
        this.labels.append(label);
      }
    });
    for (const [key, arc] of this.arcs) {
      if (!seen.has(key)) { arc.remove(); this.arcs.delete(key); }
    }
  }
}

const HEXAGON = "0,-18 15.6,-9 15.6,9 0,18 -15.6,9 -15.6,-9";

function make(one) {
  const group = svg("g");
  const title = svg("title");
  const clip = svg("clipPath", { id: `cell-${one.peer}` });
  clip.append(svg("polygon", { points: HEXAGON }));
  const level = svg("rect", { x: -18, width: 36, y: 18, height: 0, class: "level", "clip-path": `url(#cell-${one.peer})` });
  const name = svg("text", { y: 33, class: "name" });
  group.append(title, clip, svg("polygon", { points: HEXAGON, class: "back" }), level, svg("polygon", { points: HEXAGON, class: "wall" }), name);
  return { group, title, level, name };
}

// One ring for few, two for more, and a sunflower for a crowd: everybody keeps the place of its number.
function arrange(all) {
  const places = new Map();
  const [cx, cy] = [WIDTH / 2, HEIGHT / 2 - 8];
  const ring = (list, rx, ry, size, turn) => list.forEach((one, index) => {
    const angle = -Math.PI / 2 + turn + (2 * Math.PI * index) / list.length;
    places.set(one.peer, { x: cx + rx * Math.cos(angle), y: cy + ry * Math.sin(angle), size });
  });
  if (all.length === 1) ring(all, 0, 0, 1.6, 0);
  else if (all.length <= 16) ring(all, 330, 165, 1.5, all.length === 2 ? Math.PI / 2 : 0);
  else if (all.length <= NAMED) {
    const outer = Math.ceil(all.length * 0.65);
    ring(all.slice(0, outer), 390, 185, 1.05, 0);
    ring(all.slice(outer), 220, 95, 1.05, 0.2);
  } else {
    const size = Math.max(0.28, Math.min(1, 7 / Math.sqrt(all.length)));
    all.forEach((one, index) => {
      const distance = Math.sqrt((index + 0.5) / all.length);
      const angle = index * 2.399963;
      places.set(one.peer, { x: cx + 410 * distance * Math.cos(angle), y: cy + 205 * distance * Math.sin(angle), size });
    });
  }
  return places;
}

function short(nick) {
  const letters = [...nick];
  return letters.length > 14 ? `${letters.slice(0, 13).join("")}…` : nick;
}
