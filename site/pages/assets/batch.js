// Editing many photos: what they have in common, what is to be changed, and one
// request for all of it.
import { post } from "./api.js";
import { walker } from "./place.js";
import { say } from "./site.js";

const root = document.querySelector("#batch");
if (root) start();

function start() {
  const form = document.querySelector("#fields");
  const boxes = [...root.querySelectorAll("input[data-photo]")];
  const photos = new Map(boxes.map((box) => [box, JSON.parse(box.dataset.photo)]));
  const names = { tit: "title", cap: "caption", wmk: "watermark", ts: "taken", tz: "zone" };
  const adders = { tag_fre: "add_tags_named", ppl_fre: "add_people_named", loc_fre: "place_name" };
  const byId = (id) => document.getElementById(id);
  const wrong = byId("wrong");
  let place = 0;
  let busy = false;
  const changed = new Set(); // names of texts that were touched

  const chosen = () => boxes.filter((box) => box.checked);
  const hints = new Map([...form.querySelectorAll("[placeholder]")].map((el) => [el, el.placeholder]));

  // common is the value that all chosen photos share, or null when it varies.
  function common(key) {
    const values = new Set(chosen().map((box) => photos.get(box)[key]));
    return values.size === 1 ? [...values][0] : null;
  }

  // present says whether all, some or none of the chosen photos have it.
  function present(kind, id) {
    const on = chosen().filter((box) => photos.get(box)[kind].some((one) => one.id === id)).length;
    return on === 0 ? "false" : on === chosen().length ? "true" : "mixed";
  }

  const tris = [...form.querySelectorAll(".tri")];
  const kindOf = (tri) => tri.closest("[data-toggles]").dataset.toggles;

  // show writes the form anew for what is chosen; what is pending stays.
  function show() {
    const n = chosen().length;
    byId("chosen").textContent = n === 0 ? "None chosen" : n === 1 ? "1 picture chosen" : `${n} pictures chosen`;
    for (const name of Object.keys(names)) {
      const el = form.elements[name];
      if (changed.has(name)) continue;
      const value = n === 0 ? "" : common(name);
      el.value = value || "";
      el.placeholder = value === null ? "varies" : "";
      if (el.type === "datetime-local") el.title = value === null ? "varies" : "";
    }
    const now = n === 0 ? "" : common("loc");
    byId("place-now").textContent = now === null ? "varies" : now || "–";
    for (const tri of tris) {
      const was = n === 0 ? "false" : present(kindOf(tri), Number(tri.dataset.id));
      tri.dataset.was = was;
      tri.setAttribute("aria-pressed", tri.dataset.to || was);
      tri.classList.toggle("pending", Boolean(tri.dataset.to) && tri.dataset.to !== was);
    }
    able();
  }

  function able() {
    const n = chosen().length, any = pending();
    for (const name of [...Object.keys(names), ...Object.keys(adders)]) {
      const el = form.elements[name];
      el.classList.toggle("pending", changed.has(name) || (name in adders && el.value.trim() !== ""));
    }
    form.elements.loc.classList.toggle("pending", place !== 0);
    byId("commit").disabled = busy || n === 0 || !any;
    byId("cancel").disabled = busy || !any;
    byId("delete").disabled = busy || n === 0;
    byId("commit").textContent = any && n > 0 ? `Commit to ${n === 1 ? "1 picture" : n + " pictures"}` : "Commit";
    const gone = n > 0 && chosen().every((box) => photos.get(box).del);
    byId("delete").textContent = gone ? "Bring back" : "Delete";
    byId("delete").dataset.to = String(!gone);
  }

  const pending = () => changed.size > 0 || place !== 0 || tris.some((tri) => tri.classList.contains("pending")) ||
    Object.keys(adders).some((name) => form.elements[name].value.trim() !== "");

  // wish is everything that is pending, as one request.
  function wish() {
    const out = { ids: chosen().map((box) => Number(box.value)) };
    for (const name of changed) out[names[name]] = form.elements[name].value;
    if (form.elements.loc_fre.value.trim()) out.place_name = form.elements.loc_fre.value.trim();
    else if (place) out.place = place;
    for (const [name, key] of [["tag_fre", adders.tag_fre], ["ppl_fre", adders.ppl_fre]]) {
      const text = form.elements[name].value.trim();
      if (text) out[key] = [text];
    }
    for (const tri of tris.filter((tri) => tri.classList.contains("pending"))) {
      const key = (tri.dataset.to === "true" ? "add_" : "remove_") + (kindOf(tri) === "tag" ? "tags" : "people");
      (out[key] ||= []).push(Number(tri.dataset.id));
    }
    return out;
  }

  function reset() {
    changed.clear();
    place = 0;
    for (const tri of tris) delete tri.dataset.to;
    for (const name of Object.keys(adders)) form.elements[name].value = "";
    form.elements.loc.selectedIndex = 0;
    for (const [el, hint] of hints) el.placeholder = hint;
    wrong.hidden = true;
    show();
  }

  async function send(change, done) {
    busy = true;
    wrong.hidden = true;
    able();
    try {
      const { photos: after } = await post("/api/v1/photos/edit", change);
      learn(after);
      busy = false;
      reset();
      say(done);
      byId("chosen").textContent = done;
    } catch (err) {
      busy = false;
      wrong.textContent = err.message;
      wrong.hidden = false;
      able();
    }
  }

  // learn remembers what the site says the photos are now.
  function learn(after) {
    for (const photo of after) {
      const box = boxes.find((b) => Number(b.value) === photo.id);
      if (!box) continue;
      photos.set(box, {
        tit: photo.title || "", cap: photo.caption || "", wmk: photo.watermark || "", ts: (photo.taken || "").replace(" ", "T"), tz: photo.zone || "",
        loc: photo.place.name, tag: photo.tags, ppl: photo.people, del: Boolean(photo.deleted),
      });
      const item = box.closest("li");
      item.querySelector(".text").textContent = photo.deleted ? "Deleted" : photo.title || `Picture ${photo.id}`;
      const img = item.querySelector("img");
      const was = new URL(img.src).searchParams.get("v");
      if (was !== photo.version) {
        img.srcset = img.srcset.replaceAll(was, photo.version);
        img.src = img.src.replace(was, photo.version);
      }
    }
    offer(after);
  }

  // offer adds switches for tags and people that were just made.
  function offer(after) {
    for (const [kind, key] of [["tag", "tags"], ["ppl", "people"]]) {
      const set = form.querySelector(`[data-toggles=${kind}]`);
      for (const one of after.flatMap((photo) => photo[key])) {
        if (tris.some((tri) => kindOf(tri) === kind && Number(tri.dataset.id) === one.id)) continue;
        const tri = document.createElement("button");
        tri.type = "button";
        tri.className = "tri";
        tri.dataset.id = String(one.id);
        tri.textContent = one.name;
        set.querySelector(".more").before(tri, " ");
        tris.push(tri);
      }
    }
  }

  // Switches go round: as it was, for all, for none.
  form.addEventListener("click", (event) => {
    const tri = event.target.closest(".tri");
    if (!tri || chosen().length === 0) return;
    const now = tri.dataset.to || tri.dataset.was;
    const next = { mixed: "true", true: "false", false: tri.dataset.was === "mixed" ? "" : "true" }[now];
    if (next === "" || next === tri.dataset.was) delete tri.dataset.to;
    else tri.dataset.to = next;
    tri.setAttribute("aria-pressed", tri.dataset.to || tri.dataset.was);
    tri.classList.toggle("pending", Boolean(tri.dataset.to));
    able();
  });

  form.addEventListener("input", (event) => {
    if (event.target.name in names) changed.add(event.target.name);
    able();
  });
  walker(form.elements.loc, (id) => {
    place = id;
    able();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const n = chosen().length;
    if (!busy && n > 0 && pending()) send(wish(), n === 1 ? "1 picture changed" : `${n} pictures changed`);
  });
  byId("cancel").addEventListener("click", reset);
  byId("delete").addEventListener("click", () => {
    const deleted = byId("delete").dataset.to === "true", ids = chosen().map((box) => Number(box.value));
    const what = ids.length === 1 ? "1 picture" : `${ids.length} pictures`;
    if (deleted && !confirm(`Delete ${what}? They can be brought back from “Deleted pictures”.`)) return;
    send({ ids, deleted }, what + (deleted ? " deleted" : " brought back"));
  });

  root.addEventListener("change", (event) => { if (event.target.matches("input[data-photo]")) show(); });
  for (const button of root.querySelectorAll("[data-choose]")) {
    button.addEventListener("click", () => {
      for (const box of boxes) box.checked = button.dataset.choose === "invert" ? !box.checked : button.dataset.choose === "all";
      show();
    });
  }
  addEventListener("beforeunload", (event) => { if (busy || pending()) event.preventDefault(); });
  show();
}
