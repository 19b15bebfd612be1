// The roll keeps the address at the picture in view, so that reloading and
// sharing the address come back to it.
import { inView } from "./site.js";

let due = 0;

function note() {
  due = 0;
  const { shots, at } = inView();
  if (shots.length < 2) return;
  const shot = shots[at];
  const hash = shot ? "#" + shot.id : "";
  if (location.hash !== hash) history.replaceState(history.state, "", location.pathname + location.search + hash);
}

addEventListener("scroll", () => {
  clearTimeout(due);
  due = setTimeout(note, 200);
}, { passive: true });
