// Telling what did not work.
import { $ } from "./dom.js";
import { visible } from "./format.js";

let timer = 0;

// complain shows an error for a while.
export function complain(err) {
  const box = $("advice");
  box.textContent = visible(err.hint ? `${err.message}: ${err.hint}` : err.message);
  box.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => { box.hidden = true; }, 12000);
}
