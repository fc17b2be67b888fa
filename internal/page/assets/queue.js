// The files that are not on the drive yet.
import { $, el, keyed, set } from "./dom.js";
import { ago, bytes, count, plural, span, visible } from "./format.js";
import { post } from "./net.js";
import { complain } from "./notice.js";

const words = {
  committing: "being sent", waiting: "waiting", failed: "failed", paused: "paused", open: "open in a program", deleting: "being deleted",
};

let paused = false;

async function act(op, path) {
  try { await post("/api/queue", path ? { op, path } : { op }); } catch (err) { complain(err); }
}

$("pause").addEventListener("click", () => act(paused ? "resume" : "pause"));
$("retry").addEventListener("click", () => act("retry"));

function make(p) {
  const again = el("button", { type: "button", class: "small" }, "Retry");
  again.addEventListener("click", () => act("retry", p.path));
  return el("div", { class: "row" },
    el("div", { class: "row-head" }, el("span", { class: "row-name", dir: "auto" }), el("span", { class: "row-state" })),
    el("progress", { max: 1, value: 0 }),
    el("div", { class: "row-foot" }, el("span", { class: "quiet figures" }), again),
    el("p", { class: "problem", hidden: true }));
}

function update(row, p) {
  const [head, bar, foot, problem] = row.children;
  const slash = p.path.lastIndexOf("/");
  set(head.children[0], visible(p.path.slice(slash + 1)));
  head.children[0].title = visible(p.path);
  set(head.children[1], words[p.state] || p.state);
  head.children[1].className = `row-state state-${/^[a-z]+$/.test(p.state) ? p.state : "other"}`;
  const sending = p.state === "committing", sent = Math.min(p.sent || 0, p.bytes);
  bar.hidden = !sending;
  bar.setAttribute("aria-label", `Sent of ${visible(p.path)}`);
  bar.value = p.bytes > 0 ? sent / p.bytes : 0;
  let note = sending ? `${bytes(sent)} of ${bytes(p.bytes)}` : bytes(p.bytes);
  if (p.state === "failed" && p.next_try) {
    const wait = (Date.parse(p.next_try) - Date.now()) / 1000;
    note += wait > 0 ? `, next try in ${span(wait)}` : ", about to be tried";
  }
  if (p.kept && p.state !== "deleting" && !sending) note += ", safe on this disk";
  set(foot.children[0], note);
  foot.children[1].hidden = p.state !== "failed";
  set(problem, p.error || "");
  problem.hidden = !p.error;
}

export function showQueue(state) {
  const { queue, pending, staging } = state;
  paused = Boolean(staging && staging.paused);
  set($("pause"), paused ? "Resume" : "Pause");
  $("queue-buttons").hidden = state.read_only;
  $("retry").disabled = queue.failed === 0;
  keyed($("queue"), pending, (p) => p.path, make, update);
  let note = $("queue-empty");
  if (!note) { note = el("p", { id: "queue-empty", class: "quiet" }); $("queue").after(note); }
  const hidden = queue.files - pending.length;
  if (state.read_only) set(note, "The mount is read-only: nothing is sent.");
  else if (queue.files === 0) set(note, paused ? "Paused. Nothing waits." : "Everything written is on the drive.");
  else set(note, hidden > 0 ? `and ${plural(hidden, "more file", "more files")}` : "");
  note.hidden = note.textContent === "";

  set($("tile-queue"), state.read_only ? "–" : plural(queue.files, "file", "files"));
  const parts = [];
  if (queue.files) parts.push(queue.sent < queue.bytes ? `${bytes(queue.bytes - queue.sent)} left` : "finishing");
  if (queue.failed) parts.push(`${count(queue.failed)} failed`);
  if (paused) parts.push("paused");
  if (!queue.files && !paused) parts.push(state.read_only ? "read-only" : "nothing waits");
  set($("tile-queue-note"), parts.join(", "));
}

export function showProblems(state) {
  $("problems-card").hidden = state.problems.length === 0 && state.conflicts === 0;
  const all = state.problems.map((p, i) => ({ ...p, key: `${p.at} ${i}` }));
  if (state.conflicts) all.unshift({ key: "conflicts", level: "warn", text: `${plural(state.conflicts, "file was", "files were")} changed elsewhere too: look for "conflict" beside the name` });
  keyed($("problems"), all, (p) => `${p.key} ${p.text}`, () => el("li", {}, el("span", { class: "level" }), el("span", { class: "problem-text" }), el("span", { class: "quiet" })),
    (li, p) => {
      const [level, text, when] = li.children;
      set(level, p.level === "error" ? "error" : "warning");
      level.className = `level level-${p.level === "error" ? "error" : "warn"}`;
      set(text, visible(p.text));
      set(when, p.at ? ago(p.at) : "");
    });
}
