// Solves the task of the page: a count so that SHA-256(seed "." count) begins
// with so many zero bits. Written out, because browsers offer crypto.subtle to
// secure origins only and one call a try is slower.
const state = document.getElementById("state");
const { seed, bits, answer } = state.dataset;

const fraction = (x) => ((x - Math.floor(x)) * 0x100000000) | 0;
const primes = [];
for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
const K = Int32Array.from(primes, (p) => fraction(Math.cbrt(p)));
const H = Int32Array.from(primes.slice(0, 8), (p) => fraction(Math.sqrt(p)));
const w = new Int32Array(64);
const turn = (x, n) => (x >>> n) | (x << (32 - n));

// compress mixes one block of 64 bytes into the state h.
function compress(h, block, at) {
  for (let i = 0; i < 16; i++) {
    const j = at + 4 * i;
    w[i] = (block[j] << 24) | (block[j + 1] << 16) | (block[j + 2] << 8) | block[j + 3];
  }
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15], y = w[i - 2];
    w[i] = (w[i - 16] + (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) + w[i - 7] + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10))) | 0;
  }
  let [a, b, c, d, e, f, g, k] = h;
  for (let i = 0; i < 64; i++) {
    const s = (k + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
    const t = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    k = g; g = f; f = e; e = (d + s) | 0; d = c; c = b; b = a; a = (s + t) | 0;
  }
  h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e; h[5] += f; h[6] += g; h[7] += k;
}

// sha256 returns the state after the whole text (ASCII).
export function sha256(text) {
  const size = ((text.length + 72) >> 6) << 6;
  const block = new Uint8Array(size);
  for (let i = 0; i < text.length; i++) block[i] = text.charCodeAt(i);
  block[text.length] = 0x80;
  new DataView(block.buffer).setUint32(size - 4, 8 * text.length);
  const h = Int32Array.from(H);
  for (let at = 0; at < size; at += 64) compress(h, block, at);
  return h;
}

const zeros = (h) => (h[0] ? Math.clz32(h[0]) : 32 + Math.clz32(h[1]));

// solve tries in slices, so that the page stays alive.
async function solve() {
  for (let count = 0; ; ) {
    for (const end = count + 4096; count < end; count++) {
      if (zeros(sha256(seed + "." + count)) >= bits) return count;
    }
    await new Promise((next) => setTimeout(next));
  }
}

state.textContent = "Your browser is solving a small task; this takes a few seconds.";
try {
  const count = await solve();
  const sent = await fetch(answer, { method: "POST", body: new URLSearchParams({ seed, count }) });
  if (!sent.ok) throw new Error(String(sent.status));
  const last = Number(sessionStorage.getItem("solved"));
  sessionStorage.setItem("solved", String(Date.now()));
  if (Date.now() - last < 10000) throw new Error("solved a moment ago: no cookie is kept");
  state.textContent = "Thank you. The page comes now.";
  location.replace(location.pathname === "/login" ? "/" : location.href);
} catch {
  state.textContent = "That did not work. Please try again later.";
}
