// Words, numbers and elements. Texts from outside enter the page here and nowhere else, always as text.
import { words } from "./words.js";

export const lang = (navigator.languages ?? [navigator.language]).map((l) => l.slice(0, 2).toLowerCase())
  .find((l) => l in words) ?? "en";
document.documentElement.lang = lang;

// The words of a key, with {names} filled in.
export function t(key, values = {}) {
  return words[lang][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

// Puts the words of this language where the page asks for them.
export function translate() {
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
}

const whole = new Intl.NumberFormat(lang, { maximumFractionDigits: 0 });
export const number = (n) => whole.format(n);
export const percent = (n) => `${whole.format(n)} %`;

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];
export function bytes(n) {
  let unit = 0;
  while (n >= 999.5 && unit < UNITS.length - 1) { n /= 1000; unit += 1; }
  const digits = unit === 0 || n >= 99.95 ? 0 : n >= 9.995 ? 1 : 2;
  return `${new Intl.NumberFormat(lang, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(n)} ${UNITS[unit]}`;
}
export const rate = (n) => `${bytes(n)}/s`;

const clock = new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short" });
export const time = (at) => clock.format(at);
export const date = (at) => day.format(at);

export function duration(millis) {
  const s = Math.round(millis / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

export const $ = (id) => document.getElementById(id);

// An element with attributes and children; children are elements or text.
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";
export function svg(tag, attributes = {}) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

// Writes only what differs, so that a screen reader is not told the same twice.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// A cell of each byte of a piece map, dark for what is there; a plain bar where there is no map.
export function drawMap(canvas, cells, share) {
  const style = getComputedStyle(canvas);
  const map = cells ? Uint8Array.from(atob(cells), (c) => c.charCodeAt(0)) : null;
  const width = map?.length || 100;
  canvas.width = width;
  canvas.height = 1;
  const context = canvas.getContext("2d");
  context.fillStyle = style.color;
  if (!map?.length) {
    context.fillRect(0, 0, share, 1);
    return;
  }
  map.forEach((there, x) => {
    context.globalAlpha = there === 0 ? 0 : 0.15 + 0.85 * (there / 255);
    context.fillRect(x, 0, 1, 1);
  });
}
