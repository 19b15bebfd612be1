// Codes: making, copying and deleting them.
import { post, make } from "./api.js";
import { say } from "./site.js";

const codes = "/api/v1/codes";
const form = document.querySelector("#share");

const levelOf = { 1: "read", 2: "download", 3: "write" };

// expiry is so many days, weeks, months or years from now; a month that is too
// short ends on its last day.
export function expiry(now, n, unit) {
  const at = new Date(now);
  const months = { months: 1, years: 12 }[unit];
  if (!months) {
    at.setDate(at.getDate() + n * (unit === "weeks" ? 7 : 1));
    return at;
  }
  const day = at.getDate();
  at.setDate(1);
  at.setMonth(at.getMonth() + n * months);
  at.setDate(Math.min(day, new Date(at.getFullYear(), at.getMonth() + 1, 0).getDate()));
  return at;
}

// words says what a new code gives, as the page does for the others.
function words(wish) {
  const level = { read: "view", download: "view and download", write: "view, download and edit" }[wish.level];
  const uses = wish.max_uses ? `used 0 of ${wish.max_uses}` : "0 uses";
  const end = wish.expires ? "until " + wish.expires.toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" }) : "never expires";
  return `${level} · ${uses} · ${end}`;
}

// Edit codes are for those who own the tag.
function levels() {
  const own = "own" in form.tag.selectedOptions[0].dataset;
  const edit = form.querySelector("[data-own-only]");
  edit.hidden = !own;
  if (!own && form.elements.lvl.value === "3") form.elements.lvl.value = "1";
}

async function share(event) {
  event.preventDefault();
  const wrong = form.querySelector(".wrong"), made = form.querySelector(".made"), button = event.submitter;
  wrong.hidden = true;
  made.hidden = true;
  const wish = { tag: Number(form.tag.value), level: levelOf[form.elements.lvl.value] };
  if (form.cnt.value) wish.max_uses = Number(form.cnt.value);
  if (form.after.value) wish.expires = expiry(Date.now(), Number(form.after.value), form.unit.value);
  if (button) button.disabled = true;
  try {
    const { code } = await post(codes, wish);
    made.querySelector("code").textContent = code;
    made.hidden = false;
    list(form.tag.value, code, words(wish));
    say("The new code is " + code);
  } catch (err) {
    wrong.textContent = err.message;
    wrong.hidden = false;
  }
  if (button) button.disabled = false;
}

// list adds a code to its tag without asking for the page again.
function list(tag, code, text) {
  const card = document.querySelector(`[data-tag="${CSS.escape(tag)}"]`);
  if (!card) return;
  let rows = card.querySelector(".codes");
  if (!rows) {
    rows = make("ul", { class: "list codes" });
    const none = card.querySelector(":scope > .hint");
    if (none) none.replaceWith(rows); else card.append(rows);
  }
  const button = make("button", { type: "button", class: "quiet small", "data-delete": code }, "Delete", make("span", { class: "unseen" }, " the code " + code));
  rows.append(make("li", { class: "row" }, make("code", {}, code), make("span", { class: "soft" }, text), button));
}

async function remove(button) {
  const code = button.dataset.delete;
  if (!confirm(`Delete the code ${code}? Whoever used it can no longer see these pictures by it.`)) return;
  button.disabled = true;
  try {
    await post(codes + "/delete", { code });
    button.closest("li").remove();
    say("The code is deleted.");
  } catch (err) {
    button.disabled = false;
    alert(err.message);
  }
}

// A login for another browser: one use, one day, the same rights.
async function once(button) {
  const out = button.parentElement.querySelector("output");
  const wish = { tag: Number(button.dataset.once), level: "write", max_uses: 1, expires: expiry(Date.now(), 1, "days") };
  button.disabled = true;
  try {
    const { code } = await post(codes, wish);
    out.textContent = code;
    list(button.dataset.once, code, words(wish));
    say("The login code is " + code);
  } catch (err) {
    out.textContent = err.message;
  }
  button.disabled = false;
}

async function copy(button) {
  const code = form.querySelector(".made code");
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch { // not allowed here: at least it is selected
    getSelection().selectAllChildren(code);
  }
}

if (form) {
  form.addEventListener("submit", share);
  form.tag.addEventListener("change", levels);
  levels();
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if ("delete" in button.dataset) remove(button);
  else if ("once" in button.dataset) once(button);
  else if ("copy" in button.dataset) copy(button);
});
