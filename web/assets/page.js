// Keeps the page current: asks for it again, and changes only what differs, so
// that filter, selection and place on the page stay. Without it the page works
// too, and is loaded again every few seconds.
"use strict";

const pause = 2000; // between two looks, in ms
const seldom = 30000; // the same, in a tab that nobody sees but for its title and icon
const patience = 10000; // for an answer

let ahead = 0; // of our clock: Defib's, in ms
const now = () => Date.now() + ahead;

// As span and wait in text.go write it.
function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 48 * 3600 && Math.floor(s / 60) % 60 === 0) return `${s / 3600 | 0} h`;
  if (s < 48 * 3600) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
  return `${Math.floor(s / 86400)} days`;
}

function wait(ms) {
  const s = Math.floor(ms / 1000);
  return s >= 60 && s < 600 ? `${Math.floor(s / 60)} min ${s % 60} s` : span(ms);
}

function count(kind, at, then) {
  if (kind === "in") return at <= then ? "now" : `in ${wait(at - then)}`;
  return kind === "ago" ? `${span(then - at)} ago` : span(then - at);
}

// tick lets all times go on.
function tick() {
  const then = now();
  for (const time of document.querySelectorAll("time[data-count]")) {
    const text = count(time.dataset.count, Date.parse(time.dateTime), then);
    if (time.firstChild.data !== text) time.firstChild.data = text;
  }
}

// patch makes an element of the page like its new version.
function patch(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.hasAttribute("data-keep") || old.isEqualNode(fresh)) return;
  for (const { name, value } of fresh.attributes) {
    if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (name !== "open" && name !== "hidden" && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  patchChildren(old, fresh);
}

// patchChildren finds children again by their ids, the others by their order.
function patchChildren(old, fresh) {
  const wanted = new Set(), known = new Map();
  for (const child of fresh.children) if (child.id) wanted.add(child.id);
  for (const child of [...old.children]) {
    if (!child.id) continue;
    if (wanted.has(child.id)) known.set(child.id, child);
    else child.remove();
  }
  let here = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const match = child.id ? known.get(child.id) : here && !here.id && here.nodeName === child.nodeName ? here : null;
    if (match) {
      while (here !== match && child.id && here && !here.id) here = drop(here);
      if (match === here) here = here.nextSibling;
      else old.insertBefore(match, here);
      patch(match, child);
    } else {
      old.insertBefore(document.importNode(child, true), here);
    }
  }
  while (here) here = drop(here);
}

// drop removes a node and returns the next one.
function drop(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

// show brings in a new version of the page.
function show(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  if (!fresh.body.dataset.revision) throw new Error("the answer is not from Defib");
  if (fresh.body.dataset.build !== document.body.dataset.build) {
    location.reload(); // another Defib, with another script
    return;
  }
  ahead = Date.parse(fresh.body.dataset.now) - Date.now();
  if (document.title !== fresh.title) document.title = fresh.title;
  const icon = document.querySelector("link[rel=icon]");
  const wanted = fresh.querySelector("link[rel=icon]").getAttribute("href");
  if (icon.getAttribute("href") !== wanted) icon.setAttribute("href", wanted);
  document.body.dataset.revision = fresh.body.dataset.revision;
  document.body.dataset.now = fresh.body.dataset.now;
  patchChildren(document.body, fresh.body);
  tick();
  prepare();
  filter();
  follow();
}

// lost says that what the page shows is of the past; null takes it back.
let since = null;
function lose(why) {
  const box = document.getElementById("lost");
  document.body.classList.toggle("lost", why !== null);
  if (why === null) {
    since = null;
    box.hidden = true;
    return;
  }
  since ??= new Date();
  const text = `Defib has not answered since ${since.toLocaleTimeString()} (${why}). This page shows the state at that time.`;
  if (box.textContent !== text) box.textContent = text;
  box.hidden = false;
}

let looking = false, looked = 0;
async function look() {
  if (looking || document.hidden && performance.now() - looked < seldom) return;
  looking = true;
  looked = performance.now();
  try {
    const answer = await fetch(location.pathname, {
      cache: "no-store",
      headers: { "If-None-Match": document.body.dataset.revision },
      signal: AbortSignal.timeout(patience),
    });
    if (answer.status === 200) show(await answer.text());
    else if (answer.status !== 304) throw new Error(`HTTP status ${answer.status}`);
    lose(null);
  } catch (err) {
    lose(err.name === "TimeoutError" ? "no answer in time" : err.message);
  } finally {
    looking = false;
  }
}

// filter shows the rows that have every word of the box in them. What a container uses,
// and how it did, is left out: rows would come and go by themselves.
function filter() {
  const box = document.getElementById("filter");
  const rows = document.getElementById("rows");
  const found = document.getElementById("found");
  if (!box || !rows) return;
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows.rows) {
    const text = words.length ? [...row.querySelectorAll("th, td:not(.usage, .day)")].map((cell) => cell.textContent).join(" ").toLowerCase() : "";
    const hidden = !words.every((word) => text.includes(word));
    if (row.hidden !== hidden) row.hidden = hidden;
    if (!hidden) shown++;
  }
  const text = words.length ? `${shown} of ${rows.rows.length}` : "";
  if (found.textContent !== text) found.textContent = text;
}

// address is the name that the address of the page ends with: /#name is the card of the
// container or, if it is fine, its row.
function address() {
  const text = location.hash.slice(1);
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// follow marks what the address means, and brings it into view once.
let followed = null;
function follow() {
  const name = address();
  const containers = [...document.querySelectorAll(".case, #rows tr")];
  const target = name && containers.find((element) => element.querySelector("bdi").textContent === name);
  for (const marked of document.querySelectorAll("[aria-current]")) {
    if (marked !== target) marked.removeAttribute("aria-current");
  }
  const unknown = document.getElementById("unknown");
  unknown.hidden = !name || target || document.getElementById(name) || !document.getElementById("rows");
  const text = `There is no container “${name}” on this host.`;
  if (!unknown.hidden && unknown.textContent !== text) unknown.textContent = text; // or it would be read out again
  if (!target) return;
  target.setAttribute("aria-current", "true");
  target.tabIndex = -1; // so that a keyboard and a screen reader go on from there
  if (followed === name) return;
  followed = name;
  const list = target.closest("details");
  if (list) list.open = true;
  if (target.hidden) {
    document.getElementById("filter").value = asked = "";
    filter();
  }
  target.focus({ preventScroll: true });
  target.scrollIntoView({ block: "center" });
}

// prepare turns on what needs the script, again when it has come back.
let asked = "";
function prepare() {
  const whole = document.getElementById("filter-box");
  if (!whole || !whole.hidden) return;
  const box = document.getElementById("filter");
  box.value ||= asked;
  box.addEventListener("input", () => {
    asked = box.value;
    filter();
  });
  whole.hidden = false;
}

// localize says in its title what a moment is on the reader's own clock.
function localize(event) {
  const time = event.target.closest?.("time");
  if (time) time.title = new Date(time.dateTime).toLocaleString();
}

ahead = Date.parse(document.body.dataset.now) - Date.now();
prepare();
filter(); // a browser may have kept what was in the box
tick();
follow();
addEventListener("hashchange", () => {
  followed = null;
  follow();
});
setInterval(tick, 1000);
setInterval(look, pause);
document.addEventListener("visibilitychange", look);
document.addEventListener("pointerover", localize);
