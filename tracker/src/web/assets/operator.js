// The operator's corner: the token stays in this page and is sent with each action, never in an address.
import { $, el, say, t } from "./text.js";

// What each action asks for, and how it is sent.
const ACTIONS = {
  say: { what: "text", body: (_, text) => ({ text }) },
  kick: { who: "nick", what: "reason", body: (nick, reason) => ({ nick, reason }) },
  mute: { who: "nick", what: "minutes", body: (nick, what) => ({ nick, ...time(what) }) },
  unmute: { who: "nick", body: (nick) => ({ nick }) },
  ban: { who: "nick", what: "minutes", body: (whom, what) => ({ whom, ...time(what) }) },
  remove: { who: "name", what: "reason", body: (entry, reason) => ({ entry, reason }) },
  restore: { who: "name", body: (entry) => ({ entry }) },
  unban: { who: "nick", body: (whom) => ({ whom }) },
};

const UNITS = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };

// `30m noise`: how long, if it begins with a time, and why.
function time(text) {
  const found = /^(\d{1,6})([smhdw])(\s+|$)/.exec(text);
  return found ? { millis: found[1] * UNITS[found[2]] * 1000, reason: text.slice(found[0].length) } : { reason: text };
}

let token = "";

async function ask(method, path, body) {
  const headers = { Authorization: `Bearer ${token}` };
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.text);
}

function outcome(text) { say($("outcome"), text); }

export function operate() {
  const action = $("action");
  action.append(...Object.keys(ACTIONS).map((name) => el("option", { value: name }, t(`a_${name}`))));
  const choose = () => {
    const { who, what } = ACTIONS[action.value];
    for (const [id, word] of [["who", who], ["what", what]]) {
      $(id).hidden = $(`${id}-label`).hidden = !word;
      if (word) say($(`${id}-label`), t(word));
    }
  };
  action.addEventListener("change", choose);
  choose();
  $("enter").addEventListener("submit", async (event) => {
    event.preventDefault();
    token = $("token").value.trim();
    try {
      await ask("GET", "/api/v1/operator");
      $("token").value = "";
      $("enter").hidden = true;
      $("act").hidden = false;
      outcome(t("welcome"));
      action.focus();
    } catch (error) {
      token = "";
      outcome(t("failed", { text: error.message }));
    }
  });
  $("act").addEventListener("submit", async (event) => {
    event.preventDefault();
    const name = action.value;
    try {
      await ask("POST", `/api/v1/actions/${name}`, ACTIONS[name].body($("who").value.trim(), $("what").value.trim()));
      $("what").value = "";
      outcome(t("done"));
    } catch (error) {
      outcome(t("failed", { text: error.message }));
    }
  });
}
