// How modules ask the site: the same endpoints that programs use.

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const unreachable = "The site cannot be reached just now. Please try again.";

// sentence makes what the site says a sentence for people.
export function sentence(text) {
  const s = String(text || "").trim();
  return s ? s[0].toUpperCase() + s.slice(1) + (/[.!?]$/.test(s) ? "" : ".") : unreachable;
}

async function answer(ask) {
  let response, body;
  try {
    response = await ask();
    body = await response.json();
  } catch {
    throw new Refused(response && response.status === 403 ? "That is not allowed." : unreachable, response ? response.status : 0);
  }
  if (!response.ok) throw new Refused(sentence(body.error && body.error.message), response.status);
  return body;
}

// post sends a form; fields is a list of pairs.
export function post(path, fields) {
  return answer(() => fetch(path, {
    method: "POST", headers: { "Content-Type": "application/x-www-form-urlencoded;charset=UTF-8" },
    body: new URLSearchParams(fields), credentials: "same-origin", keepalive: true,
  }));
}

export function get(path) {
  return answer(() => fetch(path, { credentials: "same-origin", headers: { Accept: "application/json" } }));
}

// make builds an element; texts are only ever texts.
export function make(name, properties = {}, ...children) {
  const el = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") el.className = value;
    else if (key.includes("-")) el.setAttribute(key, value);
    else el[key] = value;
  }
  el.append(...children);
  return el;
}
