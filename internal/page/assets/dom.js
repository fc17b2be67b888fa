// Making elements. Text is only ever set as text: nothing here, and nothing that uses it, parses HTML.

export const $ = (id) => document.getElementById(id);

// el makes an element. props are properties, but for class, data and aria-*; children are nodes or texts.
export function el(tag, props = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name === "class") e.className = value;
    else if (name === "data") Object.assign(e.dataset, value);
    else if (name.startsWith("aria-") || name === "role") e.setAttribute(name, value);
    else e[name] = value;
  }
  e.append(...children.filter((c) => c !== null && c !== undefined));
  return e;
}

// set changes a text only when it is another one, so that a screen reader and a selection are left alone.
export function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// keyed brings the children of a parent in line with items, keeping the elements whose key stays: focus and progress bars survive.
export function keyed(parent, items, key, make, update) {
  const old = new Map();
  for (const child of parent.children) if (child.dataset.key !== undefined) old.set(child.dataset.key, child);
  let at = parent.firstElementChild;
  for (const item of items) {
    const k = key(item);
    let child = old.get(k);
    if (child) old.delete(k);
    else { child = make(item); child.dataset.key = k; }
    update(child, item);
    if (child === at) at = at.nextElementSibling;
    else parent.insertBefore(child, at);
  }
  for (const child of old.values()) child.remove();
}
