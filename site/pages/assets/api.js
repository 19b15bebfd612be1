// How modules ask the site: the same endpoints that programs use.

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export const unreachable = "The site cannot be reached just now. Please try again.";

// sentence makes what the site says a sentence for people.
export function sentence(text) {
  const s = String(text || "").trim();
  return s ? s[0].toUpperCase() + s.slice(1) + (/[.!?]$/.test(s) ? "" : ".") : unreachable;
}

// refusal reads what the site says about a request that it refused.
export function refusal(status, body) {
  return new Refused(body && body.error ? sentence(body.error.message) : unreachable, status);
}

async function answer(path, options) {
  let response, body;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
    body = await response.json();
  } catch {
    throw new Refused(unreachable, response ? response.status : 0);
  }
  if (!response.ok) throw refusal(response.status, body);
  return body;
}

export const get = (path) => answer(path, {});

export const post = (path, body) => answer(path, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
});

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
