// The form of one photo: each change is sent as soon as it is made.
import { get, post, make } from "./api.js";
import { walker, show } from "./place.js";

const desk = document.querySelector("#edit");
const form = document.querySelector("#fields");
const saved = document.querySelector("#saved");
const id = Number(desk.dataset.id);

// What the fields are called in requests.
const names = {
  tit: "title", cap: "caption", wmk: "watermark", ts: "taken", tz: "zone", cam: "camera", apt: "aperture", sht: "shutter",
  flm: "film", foc: "focal_length", exp: "exposure", met: "metering", pcs: "process", fil: "file_name",
};

function state(text, kind = "soft") {
  saved.textContent = text;
  saved.className = kind;
}

// Changes go one after the other, in the order in which they were made.
let queue = Promise.resolve();
let waiting = 0;

function save(change, done = () => {}, undo = () => {}) {
  waiting++;
  state("Saving…");
  queue = queue.then(async () => {
    try {
      const { photos: [photo] } = await post("/api/v1/photos/edit", { ids: [id], ...change });
      waiting--;
      refresh(photo);
      done(photo);
      if (waiting === 0) state("Saved.", "saved");
    } catch (err) {
      waiting--;
      undo();
      state(err.message, "failed");
    }
  });
  return queue;
}

addEventListener("beforeunload", (event) => { if (waiting > 0) event.preventDefault(); });

let version = "";

// refresh shows what the site knows now.
function refresh(photo) {
  document.querySelector("#new").hidden = !photo.new || Boolean(photo.deleted);
  document.querySelector("#deleted").hidden = !photo.deleted;
  desk.dataset.rotation = String(photo.rotation);
  const current = new URL(document.querySelector(".work img").src).searchParams.get("v");
  if (photo.version !== (version || current)) picture(photo);
  version = photo.version;
}

// picture changes the addresses of the picture to those of the new version.
function picture(photo) {
  const print = document.querySelector(".work .print"), old = print.querySelector("img");
  const img = old.cloneNode();
  const longer = Math.max(photo.width, photo.height);
  const edges = [350, 640, 1024, 1440, 1920].filter((edge, i, all) => edge <= longer || i === 0 || all[i - 1] < longer);
  const width = (edge) => Math.max(1, Math.round(photo.width * Math.min(1, edge / longer)));
  const largest = edges[edges.length - 1];
  const address = (edge) => `/img/${edge}/${photo.id}.jpg?v=${photo.version}`;
  img.width = width(largest);
  img.height = Math.max(1, Math.round(photo.height * Math.min(1, largest / longer)));
  img.srcset = edges.map((edge) => `${address(edge)} ${width(edge)}w`).join(", ");
  img.src = address(edges[0]);
  const tall = photo.height > photo.width;
  print.classList.toggle("tall", tall && !print.classList.contains("small"));
  print.classList.toggle("wide", !tall && !print.classList.contains("small"));
  old.replaceWith(img);
}

// Texts are sent when they are left, or with Enter.
const before = new Map();
for (const el of form.querySelectorAll("input[name], textarea[name], select[name]")) {
  if (!(el.name in names) && el.name !== "fls") continue;
  before.set(el.name, el.value);
  el.addEventListener("change", () => {
    if (el.value === before.get(el.name)) return;
    const old = before.get(el.name);
    before.set(el.name, el.value);
    const change = el.name === "fls" ? { flash: el.value === "true" } : { [names[el.name]]: el.value };
    el.removeAttribute("aria-invalid");
    save(change, undefined, () => {
      before.set(el.name, old);
      el.setAttribute("aria-invalid", "true");
    });
  });
}

// Tags and people are switches.
const lists = { tag: ["add_tags", "remove_tags", "tags"], ppl: ["add_people", "remove_people", "people"] };

form.addEventListener("change", (event) => {
  const box = event.target, set = box.closest("[data-toggles]");
  if (!set || box.type !== "checkbox") return;
  const [add, remove, key] = lists[set.dataset.toggles];
  const on = box.checked;
  save({ [on ? add : remove]: [Number(box.value)] }, (photo) => toggles(set, photo[key]), () => { box.checked = !on; });
});

// toggles shows which are on; new ones come last.
function toggles(set, on) {
  const more = set.querySelector(".more");
  for (const { id: one, name } of on) {
    if ([...set.querySelectorAll("input[type=checkbox]")].some((box) => Number(box.value) === one)) continue;
    const box = make("input", { type: "checkbox", value: String(one) });
    more.before(make("label", { class: "toggle" }, box, make("span", {}, name)), " ");
  }
  for (const box of set.querySelectorAll("input[type=checkbox]")) box.checked = on.some((o) => o.id === Number(box.value));
}

// What is typed as a new name.
const adders = {
  tag_fre: (text) => save({ add_tags_named: [text] }, (photo) => toggles(document.querySelector("[data-toggles=tag]"), photo.tags)),
  ppl_fre: (text) => save({ add_people_named: [text] }, (photo) => toggles(document.querySelector("[data-toggles=ppl]"), photo.people)),
  loc_fre: (text) => save({ place_name: text }, placed),
};

async function placed(photo) {
  show(form.elements.loc, { ...photo.place, children: [] }); // at once; the way on may take longer
  try {
    show(form.elements.loc, await get("/api/v1/places/" + photo.place.id));
  } catch { /* the place is saved; only its neighbours are missing */ }
}

function add(name) {
  const input = form.elements[name], text = input.value.trim();
  if (!text) return;
  input.value = "";
  adders[name](text);
}

form.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing || event.target.tagName !== "INPUT") return;
  event.preventDefault();
  if (event.target.name in adders) add(event.target.name);
  else event.target.blur();
});
form.addEventListener("submit", (event) => event.preventDefault());
walker(form.elements.loc, (place) => save({ place }));

// fill writes into the form what was read from the file.
function fill(photo) {
  for (const [field, key] of Object.entries(names)) {
    const el = form.elements[field];
    if (!el) continue;
    el.value = field === "ts" ? (photo.taken || "").replace(" ", "T") : photo[key] || "";
    before.set(field, el.value);
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const data = button.dataset;
  if ("add" in data) return add(data.add);
  if (!button.closest("#acts")) return;
  button.disabled = true;
  if ("turn" in data) {
    await save({ rotation: (Number(desk.dataset.rotation) + Number(data.turn)) % 360 });
  } else if ("reread" in data) {
    await save({ reread: true }, fill);
  } else {
    const deleted = "delete" in data;
    await save({ deleted }, () => {
      const other = deleted ? make("button", { type: "button" }, "Bring it back") : make("button", { type: "button", class: "quiet danger" }, "Delete");
      other.dataset[deleted ? "undelete" : "delete"] = "";
      button.replaceWith(other);
      other.focus();
    });
  }
  button.disabled = false;
});

// Leaving by a link waits until everything is saved.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || link.target) return;
  if (document.activeElement && document.activeElement.form === form) document.activeElement.blur();
  if (waiting === 0) return;
  event.preventDefault();
  queue.then(() => { if (waiting === 0 && !saved.classList.contains("failed")) location.href = link.href; });
});
