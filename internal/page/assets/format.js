// Numbers and names as people read them.

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function bytes(n) {
  if (!Number.isFinite(n)) return "–";
  let u = 0;
  while (Math.abs(n) >= 1024 && u < units.length - 1) { n /= 1024; u++; }
  const digits = u === 0 || Math.abs(n) >= 100 ? 0 : Math.abs(n) >= 10 ? 1 : 2;
  return `${n.toFixed(digits)} ${units[u]}`;
}

export const rate = (n) => (Number.isFinite(n) ? `${bytes(n)}/s` : "–");

export const percent = (share) => (Number.isFinite(share) ? `${(share * 100).toFixed(share > 0.995 && share < 1 ? 1 : 0)} %` : "–");

export const count = (n) => new Intl.NumberFormat("en").format(n).replaceAll(",", "\u202f");

export const plural = (n, one, many) => `${count(n)} ${n === 1 ? one : many}`;

// span is a number of seconds in words.
export function span(s) {
  if (s < 90) return plural(Math.max(0, Math.round(s)), "second", "seconds");
  if (s < 90 * 60) return plural(Math.round(s / 60), "minute", "minutes");
  if (s < 36 * 3600) return plural(Math.round(s / 3600), "hour", "hours");
  return plural(Math.round(s / 86400), "day", "days");
}

const known = (time) => time && !time.startsWith("0001-");

export function ago(time) {
  if (!known(time)) return "never";
  const s = (Date.now() - Date.parse(time)) / 1000;
  return s < 2 ? "just now" : `${span(s)} ago`;
}

export function date(time) {
  if (!known(time) || Date.parse(time) <= 0) return "–";
  const d = new Date(time);
  const two = (n) => String(n).padStart(2, "0");
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}`;
}

export function clock(time) {
  const d = new Date(time);
  const two = (n) => String(n).padStart(2, "0");
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

// visible is a name in which nothing is hidden: control characters and those that turn the direction of text are written out.
export function visible(name) {
  return name.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g,
    (c) => { const n = c.codePointAt(0); return n < 256 ? `\\x${n.toString(16).padStart(2, "0")}` : `\\u${n.toString(16).padStart(4, "0")}`; });
}
