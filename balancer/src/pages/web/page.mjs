// The public page: what is pressed, what is said, and figures that stay true.

import { Player } from "./player.mjs";
import { textOf } from "./pull.mjs";

/** Figures are asked for this often, by chance a little more or less, while somebody looks. */
const FIGURES_MS = 10_000;
/** The map and the table are larger: once in so many times. */
const ALL_EVERY = 6;
const VOLUME = "plenum volume";

const $ = (id) => document.getElementById(id);
let words = JSON.parse($("words").textContent);

const player = new Player($("sound"), show);
// What it did, for whoever looks into it.
window.plenum = player;

function mount() {
  const path = $("player").dataset.mount;
  return path ? new URL(path, location.href).href : null;
}

function say(word, names = {}) {
  return Object.entries(names).reduce((text, [name, value]) => text.replace(`{${name}}`, value), words[word]);
}

function show() {
  const { state, relay, title, station } = player;
  if (station !== null) $("station").textContent = station;
  const does = state === "stopped" ? "play" : "stop";
  $("play").dataset.does = does;
  $("play").setAttribute("aria-label", say(`say_${does}`));
  $("play").hidden = mount() === null && does === "play";
  const text = sentence(state, relay);
  if ($("state").textContent !== text) $("state").textContent = text;
  const piece = [title?.artist, title?.title].filter(Boolean).join(" – ");
  $("piece").textContent = piece;
  $("piece").hidden = piece === "";
  tellSystem(state, piece);
}

function sentence(state, relay) {
  if (player.isUnplayable) return say("say_unplayable");
  if (state === "stopped") {
    if ($("player").dataset.off !== undefined) return say("say_off");
    return player.moves.length > 0 ? say("say_stopped") : "";
  }
  if (state !== "playing") return say(`say_${state}`);
  return relay === null ? say("say_playing_somewhere") : say("say_playing", { relay: new URL(relay).host });
}

/** Asks a relay what the mount is called, without taking a place. */
async function introduce() {
  const url = mount();
  if (url === null) return;
  const { headers } = await fetch(url, { method: "HEAD", cache: "no-store", credentials: "omit" });
  player.station ??= textOf(headers.get("icy-name"));
  $("about").textContent = textOf(headers.get("icy-description")) || $("about").textContent;
  show();
}

/** The keys of a keyboard or headset, and what a locked screen shows. */
function tellSystem(state, piece) {
  const session = navigator.mediaSession;
  if (!session) return;
  const station = $("station").textContent;
  session.playbackState = state === "stopped" ? "none" : "playing";
  if (session.metadata?.title !== (piece || station)) {
    session.metadata = new MediaMetadata({ title: piece || station, artist: station });
  }
}

function play() {
  const url = mount();
  if (url !== null) player.start(url, $("player").dataset.plain !== undefined);
}

function listenToSystem() {
  const stop = () => player.stop();
  for (const [action, does] of [["play", play], ["pause", stop], ["stop", stop]]) {
    try {
      navigator.mediaSession?.setActionHandler(action, does);
    } catch {
      // Not every browser knows every key.
    }
  }
}

function remember(volume) {
  try {
    localStorage.setItem(VOLUME, volume);
  } catch {
    // Then it is as loud as ever the next time.
  }
}

function remembered() {
  try {
    return Number(localStorage.getItem(VOLUME) ?? 1);
  } catch {
    return 1;
  }
}

/** The page of the mount that is shown here, and not of the one that most listen to by now. */
function ofMount(address) {
  const url = new URL(address);
  const path = $("player").dataset.mount;
  if (path) url.searchParams.set("mount", path);
  return url.href;
}

async function freshPage(address) {
  const answer = await fetch(address, { cache: "no-store" });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

/** Takes over from a fresh copy of the page all but the player itself. */
function takeOver(fresh, isAsked) {
  for (const part of ["top", "places", "relays", "links", "bottom", "streams"]) {
    // Nothing is taken away under somebody's fingers.
    if (isAsked || !$(part).contains(document.activeElement)) $(part).replaceWith(fresh.getElementById(part));
  }
  if (player.state === "stopped" && player.station === null) $("station").textContent = fresh.getElementById("station").textContent;
  for (const fact of ["mount", "plain", "off"]) {
    const value = fresh.getElementById("player").dataset[fact];
    if (value === undefined) delete $("player").dataset[fact];
    else $("player").dataset[fact] = value;
  }
  $("loud").textContent = fresh.getElementById("loud").textContent;
  document.documentElement.lang = fresh.documentElement.lang;
  document.title = fresh.title;
  words = JSON.parse(fresh.getElementById("words").textContent);
  prepare();
  show();
}

/** Another language, without an end of the sound. */
async function speak(event) {
  const link = event.target.closest("a[hreflang]");
  if (!link || event.metaKey || event.ctrlKey) return;
  event.preventDefault();
  try {
    const address = ofMount(link.href);
    takeOver(await freshPage(address), true);
    history.replaceState(null, "", address);
    document.querySelector("a[hreflang][aria-current]").focus();
  } catch {
    location.href = link.href;
  }
}

function prepare() {
  for (const button of document.querySelectorAll(".copy")) {
    button.hidden = !navigator.clipboard;
    button.onclick = () => navigator.clipboard.writeText($(button.dataset.of).textContent).then(() => {
      $("said").textContent = say("say_copied");
    }, () => {});
  }
}

let turn = 0;

async function refresh() {
  if (document.hidden) return;
  turn += 1;
  if (turn % ALL_EVERY === 0) {
    takeOver(await freshPage(ofMount(location.href)), false);
    return;
  }
  const answer = await fetch("/api/v1/places", { cache: "no-store" });
  if (!answer.ok) return;
  const figures = await answer.json();
  for (const name of ["slots", "listeners", "free"]) {
    $(`n-${name}`).textContent = new Intl.NumberFormat(document.documentElement.lang).format(figures[name]);
  }
  const { slots, listeners } = figures;
  const load = { max: Math.max(1, slots), low: slots - Math.floor(slots / 4), high: Math.max(0, slots - 1), value: listeners };
  Object.assign($("load"), load);
}

function keepTrue() {
  setTimeout(() => refresh().catch(() => {}).finally(keepTrue), FIGURES_MS * (0.8 + 0.4 * Math.random()));
}

$("sound").removeAttribute("controls");
$("sound").hidden = $("sound").tagName === "AUDIO";
$("sound").removeAttribute("src");
$("loudness").hidden = false;
$("sound").volume = $("volume").value = remembered();
$("volume").addEventListener("input", () => {
  $("sound").volume = $("volume").value;
  remember($("volume").value);
});
$("play").addEventListener("click", () => (player.state === "stopped" ? play() : player.stop()));
document.addEventListener("click", speak);
document.addEventListener("visibilitychange", () => !document.hidden && refresh().catch(() => {}));
listenToSystem();
prepare();
show();
introduce().catch(() => {});
keepTrue();
