// Speaking to the server.

const token = document.querySelector('meta[name="teraboxfs-token"]').content;

// Failed is an answer that is none; hint says what to try.
class Failed extends Error {
  constructor(status, body) {
    super(body.error || `HTTP ${status}`);
    this.status = status;
    this.hint = body.hint || "";
  }
}

async function checked(response) {
  if (response.ok) return response;
  let body = {};
  try { body = await response.json(); } catch { /* no words of ours */ }
  throw new Failed(response.status, body);
}

export async function get(route, query, signal) {
  return (await checked(await fetch(`${route}?${new URLSearchParams(query)}`, { signal }))).json();
}

function send(route, body, signal) {
  return fetch(route, {
    method: "POST", signal, body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", "X-Teraboxfs-Token": token },
  }).then(checked);
}

export async function post(route, body) {
  return (await send(route, body)).json();
}

// lines calls each with every line of an answer that comes line by line.
export async function lines(route, body, each, signal) {
  const reader = (await send(route, body, signal)).body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const line of parts) if (line) each(JSON.parse(line));
  }
}
