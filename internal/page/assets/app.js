// The page: what the server pushes is shown, and the parts are put together.
import { $, el, keyed, set } from "./dom.js";
import { bytes, count, percent, plural, rate, span, visible } from "./format.js";
import { Charts, perSecond } from "./chart.js";
import { showProblems, showQueue } from "./queue.js";
import { begin, noticed } from "./files.js";

const charts = new Charts();

// Colours.
const themes = ["auto", "light", "dark"];
const theme = () => document.documentElement.dataset.theme || "auto";
function setTheme(to) {
  if (to === "auto") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = to;
  try { if (to === "auto") localStorage.removeItem("teraboxfs-theme"); else localStorage.setItem("teraboxfs-theme", to); } catch { /* not kept */ }
  nameTheme();
  charts.recolour();
}
function nameTheme() {
  const now = theme();
  set($("theme"), now[0].toUpperCase() + now.slice(1));
  $("theme").setAttribute("aria-label", `Colours: ${now}`);
}
$("theme").addEventListener("click", () => setTheme(themes[(themes.indexOf(theme()) + 1) % themes.length]));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.recolour());
nameTheme();

// What the mount is.
const accounts = {
  ok: ["good", "account ok"], offline: ["bad", "offline"], throttled: ["warn", "throttled by the service"],
  gated: ["bad", "the service wants a check in a browser"], "login-needed": ["bad", "login needed"],
};

let state = null;

function showState(s) {
  state = s;
  document.title = `${s.mountpoint} – teraboxfs`;
  set($("mountpoint"), visible(s.mountpoint));
  const parts = [s.source];
  if (s.account && s.source !== s.account) parts.push(`account ${s.account}`);
  if (s.read_only) parts.push("read-only");
  set($("source"), visible(parts.join(" · ")));
  set($("version"), `teraboxfs ${s.version}`);
  showAccount(s);
  showQueue(s);
  showCache(s);
  showAllowance(s.allowance);
  showProblems(s);
}

function showAccount(s) {
  const is = s.account_state, box = $("account"), note = $("account-note");
  box.hidden = !is;
  note.hidden = !is || is.state === "ok";
  if (!is) return;
  const [kind, text] = accounts[is.state] || ["warn", is.state];
  box.className = `pill pill-${kind}`;
  set(box, text);
  set(note, visible([`${text[0].toUpperCase()}${text.slice(1)}, for ${span((Date.now() - Date.parse(is.since)) / 1000)}`, is.cause, is.hint].filter(Boolean).join(". ")));
}

function showCache(s) {
  const c = s.cache;
  if (!c) return;
  const meters = [{ name: "Memory", used: c.memory_used, limit: c.memory_limit }];
  if (c.disk_limit > 0) meters.unshift({ name: "Disk", used: c.disk_used, limit: c.disk_limit, note: plural(c.disk_files, "file", "files") });
  if (s.staging) meters.push({ name: "Not sent yet", used: s.staging.used, limit: s.staging.limit });
  keyed($("meters"), meters, (m) => m.name, () => el("div", { class: "meter" }, el("span", { class: "meter-name" }), el("span", { class: "meter-text figures" }), el("progress", { max: 1, value: 0 })),
    (row, m) => {
      const [name, text, bar] = row.children;
      set(name, m.name);
      set(text, [m.limit > 0 ? `${bytes(m.used)} of ${bytes(m.limit)}` : bytes(m.used), m.note].filter(Boolean).join(", "));
      bar.hidden = !(m.limit > 0);
      bar.value = m.limit > 0 ? Math.min(1, m.used / m.limit) : 0;
      bar.setAttribute("aria-label", m.name);
    });
  const looks = c.hits + c.misses;
  set($("tile-hits"), looks ? percent(c.hits / looks) : "–");
  set($("tile-hits-note"), looks ? "without waiting" : "nothing read yet");
  set($("cache-note"), c.bytes_read > 0 ? `${bytes(c.bytes_fetched)} fetched for ${bytes(c.bytes_read)} read` : "");
}

function showAllowance(a) {
  $("tile-allowance-box").hidden = !a;
  if (!a) return;
  set($("tile-allowance"), a.limit > 0 ? `${count(Math.max(0, a.limit - a.used))} left` : `${count(a.used)} used`);
  set($("tile-allowance-note"), a.limit > 0 ? `${count(a.used)} of ${count(a.limit)} requests used` : "limit not known");
}

// The samples of the last quarter of an hour.
let recent = [];

function showSamples(samples) {
  if (!samples.length) return;
  for (const part of document.querySelectorAll("[data-samples][hidden]")) part.hidden = false;
  charts.add(samples);
  const s = samples[samples.length - 1], now = perSecond(s);
  set($("tile-fetched"), rate(now.fetched));
  set($("tile-sent"), rate(now.sent));
  set($("tile-read"), rate(now.read));
  set($("tile-written"), rate(now.written));
  recent = recent.concat(samples).slice(-900);
  const sum = (name) => recent.reduce((total, r) => total + r[name], 0);
  for (const name of ["fetched", "sent", "read", "written"]) set($(`tile-${name}-note`), `${bytes(sum(name))} in ${minutes()}`);
  const calls = sum("requests"), failed = sum("failed");
  set($("tile-requests"), `${count(s.requests)}/s`);
  set($("tile-requests-note"), `${failed ? `${count(failed)} of ` : ""}${count(calls)} ${failed ? "failed " : ""}in ${minutes()}`);
}

const minutes = () => (recent.length < 120 ? `${recent.length} s` : `${Math.round(recent.length / 60)} min`);

// The connection. A browser's own way of trying again does not tell when it has given up.
let source = null, retry = 0, silence = 0;

function connect() {
  source?.close();
  source = new EventSource("/api/events");
  source.addEventListener("open", () => connected(true));
  source.addEventListener("state", (ev) => { connected(true); showState(JSON.parse(ev.data)); });
  source.addEventListener("samples", (ev) => { connected(true); showSamples(JSON.parse(ev.data) || []); });
  source.addEventListener("error", () => { connected(false); again(); });
}

function again(pause = 2000) {
  source?.close();
  clearTimeout(retry);
  retry = setTimeout(async () => {
    let status = 0;
    try { status = (await fetch("/", { method: "HEAD", cache: "no-store" })).status; } catch { /* nobody there */ }
    if (status === 401) tellOffline("This mount was started anew: open the link that 'teraboxfs status' prints now.");
    if (status !== 200) { again(status === 401 ? 10000 : 2000); return; }
    charts.clear();
    recent = [];
    connect();
  }, pause);
}

function connected(yes) {
  clearTimeout(silence);
  if (yes) silence = setTimeout(() => { connected(false); again(); }, 8000);
  $("link").className = `pill pill-${yes ? "good" : "bad"}`;
  set($("link"), yes ? "live" : "not connected");
  if (yes) { $("offline").hidden = true; document.body.classList.remove("stale"); } else tellOffline("Not connected to the mount. Trying again …");
}

function tellOffline(text) {
  set($("offline"), text);
  $("offline").hidden = false;
  document.body.classList.add("stale");
}

setInterval(() => {
  if (!state) return;
  set($("uptime"), `up ${span((Date.now() - Date.parse(state.started)) / 1000)}`);
  noticed(state.queue.files, state.known.names, state.cache && state.cache.disk_files);
}, 1000);

connect();
begin();
