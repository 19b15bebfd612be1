// Walking the tree of places in a select: up, down, or to where one was lately.
import { get, make } from "./api.js";

const rootName = (place) => (place.id === 1 ? "Anywhere on Earth" : place.name);

// walker makes a select walk; chosen is called with the id of each place taken.
export function walker(select, chosen) {
  select.addEventListener("change", async () => {
    const id = Number(select.value);
    chosen(id);
    let here;
    try {
      here = await get("/api/v1/places/" + id);
    } catch {
      return; // the place is chosen all the same; only the way on is missing
    }
    if (Number(select.value) === id) show(select, here);
  });
}

// show offers a place with its neighbours; what was used lately stays.
export function show(select, here) {
  const lately = [...select.querySelectorAll("optgroup")].find((group) => group.label === "Used lately");
  const option = (place, text) => make("option", { value: String(place.id) }, text);
  const options = [option(here, rootName(here))];
  if (here.parent) options.push(option(here.parent, "↑ " + rootName(here.parent)));
  if (here.children.length > 0) options.push(make("optgroup", { label: "More exactly" }, ...here.children.map((c) => option(c, c.name))));
  if (lately) options.push(lately);
  select.replaceChildren(...options);
  select.value = String(here.id);
  select.selectedIndex = 0;
}
