// The browser of the drive.
import { $, el, keyed, set } from "./dom.js";
import { ago, bytes, date, percent, plural, visible } from "./format.js";
import { get, lines, post } from "./net.js";
import { complain } from "./notice.js";

const place = { path: "/", next: "", entries: [], total: 0 };
let asking = null; // ends the listing under way
let job = null; // ends the warming under way

const join = (dir, name) => (dir === "/" ? `/${name}` : `${dir}/${name}`);
const pathOfHash = () => { try { return decodeURIComponent(location.hash.slice(1)) || "/"; } catch { return "/"; } };
const hashOf = (path) => `#${path.split("/").map(encodeURIComponent).join("/")}`;

const view = $("view");
const pictures = () => view.getAttribute("aria-pressed") === "true";
view.addEventListener("click", () => { view.setAttribute("aria-pressed", String(!pictures())); draw(); });

$("warm").addEventListener("click", () => {
  const name = place.path.slice(place.path.lastIndexOf("/") + 1);
  if (confirm(`Bring everything in ${visible(name)} to this machine's cache? It is downloaded while this page is open, as far as the cache has room.`)) cache("warm", place.path, name);
});
$("refresh").addEventListener("click", async () => {
  const button = $("refresh");
  button.disabled = true;
  try { await post("/api/refresh", { path: place.path }); await open(place.path); } catch (err) { complain(err); }
  button.disabled = false;
});
$("more").addEventListener("click", async () => {
  const before = place.entries.length;
  await load(place.path, place.next);
  $("entries").children[before]?.querySelector("a, button")?.focus();
});
addEventListener("hashchange", () => open(pathOfHash()));

// open shows a directory from its beginning.
async function open(path) {
  place.path = path.startsWith("/") ? path : "/";
  $("warm").hidden = place.path === "/";
  crumbs();
  await load(place.path, "");
}

async function load(path, from) {
  asking?.abort();
  const mine = (asking = new AbortController());
  $("entries").setAttribute("aria-busy", "true");
  try {
    const page = await get("/api/list", { path, from }, mine.signal);
    if (mine !== asking) return;
    place.entries = from ? place.entries.concat(page.entries) : page.entries;
    Object.assign(place, { next: page.next || "", total: page.total, listed: page.listed });
    $("files-error").hidden = true;
    if (!from) choose();
    draw();
  } catch (err) {
    if (err.name === "AbortError") return;
    if (!from) { Object.assign(place, { entries: [], next: "", total: 0, listed: "" }); draw(); }
    set($("files-error"), visible(err.hint ? `${err.message}: ${err.hint}` : err.message));
    $("files-error").hidden = false;
  } finally {
    if (mine === asking) $("entries").removeAttribute("aria-busy");
  }
}

// choose shows pictures where they are most of what is there.
function choose() {
  const shown = place.entries.filter((e) => e.version).length;
  view.setAttribute("aria-pressed", String(shown > 2 && shown * 2 > place.entries.filter((e) => !e.dir).length));
}

function crumbs() {
  const parts = place.path.split("/").filter(Boolean);
  const items = [link("/", "Mount")];
  parts.forEach((name, i) => items.push(link(`/${parts.slice(0, i + 1).join("/")}`, visible(name))));
  items[items.length - 1].firstElementChild.setAttribute("aria-current", "page");
  $("crumbs").replaceChildren(el("ol", {}, ...items));
}

const link = (path, text) => el("li", {}, el("a", { href: hashOf(path), dir: "auto" }, text));

function draw() {
  const list = $("entries"), make = pictures() ? tile : line;
  list.className = pictures() ? "entries grid" : "entries list";
  keyed(list, place.entries, (e) => [make.name, e.dir, e.version, e.size, e.modified, e.name].join("/"), make, (item, e) => set(item.querySelector(".entry-state"), stateOf(e)));
  const left = place.total - place.entries.length;
  $("more").hidden = !place.next;
  let note = place.total === 0 && $("files-error").hidden ? "This directory is empty." : plural(place.total, "entry", "entries");
  if (left > 0) note += `, ${plural(left, "more", "more")}`;
  if (place.listed && !place.listed.startsWith("0001") && !place.listed.startsWith("9999")) note += `, listed ${ago(place.listed)}`;
  set($("files-note"), note);
}

// opener is what opens an entry: a link for a directory, a button with details for a file.
function opener(e, ...inside) {
  const path = join(place.path, e.name);
  const props = { class: "opener", title: visible(e.name) };
  if (e.dir) return el("a", { ...props, href: hashOf(path) }, ...inside);
  const button = el("button", { ...props, type: "button" }, ...inside);
  button.addEventListener("click", () => details(path, e));
  return button;
}

const nameOf = (e) => el("span", { class: "entry-name", dir: "auto" }, visible(e.name));

function stateOf(e) {
  if (e.dir) return "";
  if (e.state && e.state !== "committed") return { "local-only": "on this machine only", committing: "being sent" }[e.state] || e.state;
  if (!e.cached || !e.size) return "";
  return e.cached >= e.size ? "here" : `${percent(e.cached / e.size)} here`;
}

function thumb(e, size) {
  const img = el("img", { alt: "", loading: "lazy", decoding: "async" });
  img.addEventListener("error", () => img.replaceWith(shape(e)));
  img.src = `/api/thumb?${new URLSearchParams({ path: join(place.path, e.name), v: e.version, size })}`;
  return img;
}

// shape stands for an entry without a picture: its kind, and the end of its name.
function shape(e) {
  if (e.dir) return el("span", { class: "shape shape-dir", "aria-hidden": "true" });
  const dot = e.name.lastIndexOf(".");
  const ext = dot > 0 && e.name.length - dot <= 5 ? visible(e.name.slice(dot + 1)) : "";
  return el("span", { class: "shape shape-file", "aria-hidden": "true" }, ext);
}

function tile(e) {
  const box = el("span", { class: "tile-picture" }, e.version ? thumb(e, "medium") : shape(e));
  return el("li", { class: "grid-item" }, opener(e, box, nameOf(e),
    el("span", { class: "quiet figures" }, e.dir ? "directory" : bytes(e.size), " ", el("span", { class: "entry-state" }))));
}

function line(e) {
  return el("li", { class: "list-item" },
    opener(e, el("span", { class: "list-picture" }, e.version ? thumb(e, "medium") : shape(e)), nameOf(e)),
    el("span", { class: "list-state quiet entry-state" }),
    el("span", { class: "list-size figures" }, e.dir ? "" : bytes(e.size)),
    el("span", { class: "list-date quiet figures" }, date(e.modified)));
}

// Arrows move among the entries, Backspace goes up.
$("entries").addEventListener("keydown", (ev) => {
  const item = ev.target.closest("li");
  if (!item || ev.ctrlKey || ev.altKey || ev.metaKey) return;
  const all = [...$("entries").children], at = all.indexOf(item);
  const across = pictures() ? Math.max(1, all.filter((li) => li.offsetTop === all[0].offsetTop).length) : 1;
  const to = { ArrowDown: at + across, ArrowUp: at - across, ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[ev.key];
  if (to !== undefined) {
    ev.preventDefault();
    all[Math.min(Math.max(to, 0), all.length - 1)].querySelector(".opener").focus();
  } else if (ev.key === "Backspace" && place.path !== "/") {
    ev.preventDefault();
    location.hash = hashOf(place.path.slice(0, place.path.lastIndexOf("/")) || "/");
  }
});

const dialog = $("details");
$("details-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (ev) => { if (ev.target === dialog) dialog.close(); });

async function details(path, e) {
  set($("details-title"), visible(e.name));
  $("details-fields").replaceChildren();
  const box = $("details-picture");
  box.replaceChildren();
  box.hidden = !e.version;
  if (e.version) {
    const img = thumb(e, "large");
    img.alt = `Picture of ${visible(e.name)}`;
    img.addEventListener("error", () => { box.hidden = true; });
    box.append(img);
  }
  buttons(path, e);
  dialog.showModal();
  try {
    const i = await get("/api/info", { path });
    const fields = [
      ["Path on the drive", i.path], ["Stored as", i.stored], ["Size", `${bytes(i.size)} (${i.size} bytes)`],
      ["Modified", date(i.mtime)], ["State", i.state === "committed" ? "on the drive as it is here" : i.state], ["Last error", i.error],
      ["On this machine", i.size ? `${bytes(i.cached)}, ${percent(i.cached / i.size)}` : "–"], ["md5", i.md5], ["fs_id", i.fs_id],
      ["Open handles", i.handles ? String(i.handles) : ""], ["Listed", i.listed ? ago(i.listed) : ""],
    ];
    $("details-fields").replaceChildren(...fields.filter(([, v]) => v).flatMap(([k, v]) => [el("dt", {}, k), el("dd", { dir: "auto" }, visible(String(v)))]));
  } catch (err) { $("details-fields").replaceChildren(el("dt", {}, "Error"), el("dd", {}, visible(err.message))); }
}

function buttons(path, e) {
  const box = $("details-buttons");
  box.replaceChildren();
  if (e.state && e.state !== "committed") return;
  const keep = el("button", { type: "button" }, "Bring to this machine"), drop = el("button", { type: "button" }, "Drop from the cache");
  keep.addEventListener("click", () => { dialog.close(); cache("warm", path, e.name); });
  drop.addEventListener("click", () => { dialog.close(); cache("evict", path, e.name); });
  box.append(keep, drop);
}

// cache warms or evicts what is at a path, and tells how far it is.
async function cache(op, path, name) {
  job?.abort();
  const mine = (job = new AbortController());
  const box = $("job");
  const stop = el("button", { type: "button", class: "small" }, "Stop");
  stop.addEventListener("click", () => mine.abort());
  const text = el("span", {}, `${op === "warm" ? "Bringing" : "Dropping"} ${visible(name)} …`);
  box.replaceChildren(text, stop);
  box.hidden = false;
  let files = 0, sum = 0, failed = "";
  try {
    await lines("/api/cache", { op, path }, (l) => {
      if (l.error) failed = l.error;
      if (l.done) return;
      files++;
      sum += (op === "warm" ? l.held : l.freed) || 0;
      set(text, `${visible(name)}: ${plural(files, "file", "files")}, ${bytes(sum)} …`);
    }, mine.signal);
    set(text, failed ? visible(failed) : `${visible(name)}: ${op === "warm" ? "here now" : "dropped"}, ${bytes(sum)}`);
    await load(place.path, "");
  } catch (err) {
    set(text, err.name === "AbortError" ? "Stopped." : visible(err.message));
  }
  stop.remove();
  setTimeout(() => { if (mine === job) box.hidden = true; }, 8000);
}

// noticed has what is shown brought up to date, now and then, when something has changed: figures are any numbers that tell.
let told = "", looked = 0;
export async function noticed(...figures) {
  const now = figures.join(" ");
  if (now === told || document.hidden || place.total > 5000 || Date.now() - looked < 2500 || $("entries").hasAttribute("aria-busy")) return;
  [told, looked] = [now, Date.now()];
  const path = place.path;
  try {
    const page = await get("/api/list", { path, n: Math.min(500, Math.max(120, place.entries.length)) });
    if (path !== place.path || $("entries").hasAttribute("aria-busy") || page.entries.length < Math.min(place.entries.length, page.total)) return;
    Object.assign(place, { entries: page.entries, next: page.next || "", total: page.total, listed: page.listed });
    draw();
  } catch { /* who asks for it is told */ }
}

export const begin = () => open(pathOfHash());
