// Uploading: one request for each file, so that each has its own progress and its
// own answer.
import { make, refusal, unreachable } from "./api.js";
import { walker } from "./place.js";
import { say } from "./site.js";

const form = document.querySelector("#upload");
const byId = (id) => document.getElementById(id);
const drop = byId("drop"), chooser = byId("file"), list = byId("files"), send = byId("send"), wrong = byId("wrong");
const waiting = []; // files that were chosen and not sent yet
let busy = false;

const size = (bytes) => (bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

function choose(files) {
  for (const file of files) {
    const ending = (file.name.match(/\.(\w{1,4})$/) || ["", "file"])[1].toUpperCase();
    const item = make("li", {},
      make("span", { class: "icon-box", "aria-hidden": "true" }, ending),
      make("span", { class: "wrap" }, file.name),
      make("span", { class: "what" }, size(file.size)));
    list.append(item);
    waiting.push({ file, item });
  }
  able();
}

function able() {
  const tagged = form.querySelector("[data-own]:checked") !== null;
  send.disabled = busy || waiting.length === 0 || !tagged;
  send.textContent = waiting.length > 1 ? `Upload ${waiting.length} files` : "Upload";
  byId("again").hidden = busy || list.children.length === 0;
  wrong.hidden = tagged || waiting.length === 0;
  wrong.textContent = "Choose at least one of your own tags: it says who sees the pictures.";
}

// fields are the parts of the form before the file.
function fields() {
  const data = new FormData();
  for (const box of form.querySelectorAll("input[name=tag]:checked")) data.append("tag", box.value);
  for (const name of ["ts", "loc", "nlc", "cam", "flm", "pcs", "tz", "wmk"]) {
    const value = form.elements[name].value.trim();
    if (value) data.append(name, name === "ts" ? value.replace("T", " ") : value);
  }
  return data;
}

// deliver sends one file and tells how far it is. fetch cannot tell that.
function deliver(data, progress) {
  return new Promise((resolve, reject) => {
    const ask = new XMLHttpRequest();
    ask.open("POST", "/api/v1/photos");
    ask.responseType = "json";
    ask.upload.addEventListener("progress", (event) => { if (event.lengthComputable) progress(event.loaded / event.total); });
    ask.addEventListener("load", () => {
      if (ask.status >= 200 && ask.status < 300 && ask.response) resolve(ask.response);
      else reject(refusal(ask.status, ask.response));
    });
    for (const event of ["error", "abort", "timeout"]) ask.addEventListener(event, () => reject(new Error(unreachable)));
    ask.send(data);
  });
}

// told shows what became of one picture.
function told(result) {
  const ok = result.state !== "refused";
  const picture = ok
    ? make("img", { src: `/img/192/${result.id}.jpg`, alt: "", width: 64, height: 64 })
    : make("span", { class: "icon-box", "aria-hidden": "true" }, "–");
  const name = ok ? make("a", { href: "/photo/" + result.id, class: "wrap" }, result.file || `Picture ${result.id}`) : make("span", { class: "wrap" }, result.file);
  const text = { stored: "Stored", "already here": "Already here" }[result.state] || result.why || "Refused";
  return make("li", {}, picture, name, make("span", { class: ok ? "what ok" : "why" }, result.notes ? `${text}: ${result.notes}` : text));
}

async function one({ file, item }) {
  const what = item.querySelector(".what"), bar = make("progress", { max: 1, value: 0, "aria-label": `Upload of ${file.name}` });
  item.append(bar);
  const data = fields();
  data.append("file", file, file.name);
  try {
    const report = await deliver(data, (part) => {
      bar.value = part;
      what.textContent = part < 1 ? `${Math.round(part * 100)} %` : "is being stored…";
    });
    const rows = report.results.map(told);
    if (report.ignored > 0) rows.push(make("li", {}, make("span", { class: "icon-box", "aria-hidden": "true" }, "ZIP"), make("span", { class: "wrap" }, file.name), make("span", { class: "what" }, `${report.ignored} other ${report.ignored === 1 ? "entry" : "entries"} left out`)));
    item.replaceWith(...rows);
    return report.ids.length;
  } catch (err) {
    bar.remove();
    what.className = "why";
    what.textContent = err.message;
    return 0;
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (busy) return;
  busy = true;
  let stored = 0;
  able();
  while (waiting.length > 0) stored += await one(waiting.shift());
  busy = false;
  able();
  byId("look").hidden = stored === 0;
  say(stored === 0 ? "No picture was stored." : stored === 1 ? "1 picture is on the site." : `${stored} pictures are on the site.`);
});

chooser.addEventListener("change", () => {
  choose(chooser.files);
  chooser.value = "";
});
byId("again").addEventListener("click", () => {
  waiting.length = 0;
  list.replaceChildren();
  able();
});
form.addEventListener("change", able);
// Enter in a field must not send half a form.
form.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target.matches("input:not([type=checkbox])")) event.preventDefault(); });

for (const type of ["dragenter", "dragover"]) {
  addEventListener(type, (event) => {
    if (!event.dataTransfer || ![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    drop.classList.add("over");
  });
}
addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
addEventListener("drop", (event) => {
  drop.classList.remove("over");
  if (!event.dataTransfer || event.dataTransfer.files.length === 0) return;
  event.preventDefault();
  choose(event.dataTransfer.files);
});
addEventListener("beforeunload", (event) => { if (busy) event.preventDefault(); });

walker(form.elements.loc, () => {});
able();
