// What every page does: the old addresses with a hash, the keys, and words for
// those who listen to the page.

const $ = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// The addresses of the original site were hashes on "/".
function oldAddress(hash) {
  const is = (pattern) => hash.match(pattern);
  let m;
  if (is(/^#dr$/)) return "/recent";
  if (is(/^#dm$/)) return "/months";
  if (is(/^#dp$/)) return "/people";
  if (is(/^#dl1?$/)) return "/places";
  if ((m = is(/^#dl(\d+)$/))) return "/place/" + m[1];
  if ((m = is(/^#ddd(\d{4}-\d{2}-\d{2})$/))) return "/day/" + m[1];
  if ((m = is(/^#ddm(\d{4}-\d{2})$/))) return "/month/" + m[1];
  if ((m = is(/^#ddp(\d+)$/))) return "/person/" + m[1];
  if ((m = is(/^#ddt(.+)$/))) return "/search?q=" + encodeURIComponent(decodeURIComponent(m[1]));
  if (is(/^#ddn$/)) return "/new";
  if (is(/^#t$/)) return "/access";
  if (is(/^#u$/)) return "/upload";
  return "";
}

if (location.pathname === "/" && location.hash) {
  try {
    const to = oldAddress(location.hash);
    if (to) location.replace(to);
  } catch { /* a hash that cannot be decoded stays where it is */ }
}

// say tells those who listen to the page what happened.
export function say(text) {
  const live = $("#live");
  if (live) live.textContent = text;
}

const typing = (el) => el.closest("input:not([type=checkbox]):not([type=radio]):not([type=button]), textarea, select, [contenteditable]") !== null;

function follow(selector) {
  const link = $(selector);
  if (link) link.click();
  return link !== null;
}

// The picture in view is the one whose top is nearest to the top of the window.
export function inView() {
  const shots = all(".shot[data-id]");
  if (shots.length < 2) return { shots, at: shots.length - 1 };
  const top = 90;
  let at = -1;
  shots.forEach((shot, i) => { if (shot.getBoundingClientRect().top <= top) at = i; });
  return { shots, at };
}

function step(by) {
  const { shots, at } = inView();
  if (shots.length < 2) return follow(by > 0 ? "a[rel=next]" : "a[rel=prev]");
  const now = shots[at];
  // Between two pictures "previous" is the top of the present one.
  let to = at + by;
  if (by < 0 && now && now.getBoundingClientRect().top < -40) to = at;
  if (to >= shots.length) return follow("a[rel=next]");
  const shot = shots[Math.max(to, 0)];
  shot.scrollIntoView({ block: "start", behavior: "instant" }); // the next key must find it there
  shot.focus({ preventScroll: true });
  return true;
}

function edit() {
  const { shots, at } = inView();
  const shot = shots[Math.max(at, 0)];
  const link = (shot && $("a[data-edit]", shot)) || $("a[data-key=e]");
  if (link) link.click();
  return Boolean(link);
}

function back() {
  if ($("dialog[open]")) return false; // the browser closes it
  if (typing(document.activeElement)) {
    document.activeElement.blur();
    return true;
  }
  return follow("a[data-up]");
}

function search() {
  const box = all("input[type=search]").find((el) => el.offsetParent !== null);
  if (!box) return false;
  box.focus();
  box.select();
  return true;
}

function help() {
  const keys = $("#keys");
  if (!keys) return false;
  if (keys.open) keys.close(); else keys.showModal();
  return true;
}

const keys = {
  j: () => step(1), k: () => step(-1), e: edit, "/": search, "?": help, Escape: back,
  ArrowRight: () => follow("a[rel=next]"), ArrowLeft: () => follow("a[rel=prev]"),
};

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.altKey || event.metaKey || event.isComposing) return;
  const arrow = event.key === "ArrowLeft" || event.key === "ArrowRight";
  if (event.ctrlKey && !arrow) return;
  if (typing(event.target) && !(event.ctrlKey && arrow) && event.key !== "Escape") return;
  if ($("dialog[open]") && event.key !== "?" ) return;
  if (Object.hasOwn(keys, event.key) && keys[event.key]()) event.preventDefault();
});

// A picture that did not come, because the site was busy, is asked for again a few
// times, each time later, and not by all browsers at once.
const tries = new WeakMap();

function again(img) {
  const n = tries.get(img) || 0;
  if (n >= 4) return;
  tries.set(img, n + 1);
  setTimeout(() => {
    if (!img.isConnected) return;
    if (img.srcset) img.srcset = img.srcset; else img.src = img.src;
  }, 1000 * 2 ** n * (0.75 + Math.random() / 2));
}

document.addEventListener("error", (event) => { if (event.target.tagName === "IMG") again(event.target); }, true);
all("img").filter((img) => img.complete && img.currentSrc && img.naturalWidth === 0).forEach(again);

// A form that was sent shows that it works on it.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  const button = event.submitter;
  if (button) setTimeout(() => { button.disabled = true; });
});
// Coming back by the browser's own button must find it usable.
addEventListener("pageshow", () => all("form[method=post] button").forEach((button) => { button.disabled = false; }));
