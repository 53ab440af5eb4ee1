// A visitor of the public page:
// `node visit.mjs <browser> <what> <balancer> <folder> <master> <password> <relay>=<pid>…`.
//
// `pieces`: presses play, has the relay that plays killed, and goes on listening; then looks at
// the page in all its shapes. `plain`: the same where the page cannot fetch the sound itself, and
// a mount of MP3. An operator sets titles meanwhile, which are to be seen. Ends with an account as JSON, or with what is wrong.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { start } from "./browsers.mjs";
import { listen, worklet } from "./ears.mjs";

const HERTZ = 440;
/** Only then is listened closely. */
const BEGINNING_SECONDS = 2.5;
/** Less than what is kept ahead; more than a busy machine makes of it. */
const STILL_MS_MAX = 1000;
const [name, what, balancer, folder, master, password, ...rest] = process.argv.slice(2);
const relays = Object.fromEntries(rest.map((pair) => pair.split(/=(?=\d+$)/)));
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const { browser, visit, schemes } = await start(name);
/** What is looked at in which width; a Firefox has only its own colours, so there are two. */
const shapes = name === "chromium"
  ? schemes.flatMap((colours) => [320, 1280].map((width) => ({ colours, width, visit })))
  : [{ colours: "dark", width: 320, visit }];
const own = new Set([balancer, ...Object.keys(relays)]);

/** A page of a new visitor, who asks for nothing but what is ours. */
async function visitor(wishes, before, enter = visit) {
  const context = await enter({ locale: "de-DE", viewport: { width: 1280, height: 900 }, ...wishes });
  const page = await context.newPage();
  if (before) await page.addInitScript(before);
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol !== "blob:" && !own.has(url.origin)) complaints.push(`asks ${url}`);
  });
  await page.goto(balancer);
  return { page, context, complaints };
}

/** Without script there are a player and links. */
async function lookWithoutScript() {
  const { page, context } = await visitor({ javaScriptEnabled: false, viewport: { width: 320, height: 640 } });
  assert.ok(await page.isVisible("audio[controls]") && await page.isHidden("#play"));
  assert.ok(await page.isVisible('a[href$=".m3u"]'));
  await context.close();
}

/** Anybody can use the page as it is now. */
async function check(page, shape) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${shape}: ${wide} px wider than the window`);
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run());
  assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), [], shape);
}

async function look() {
  const seen = [];
  // Playwright cannot tell this Firefox to run none.
  if (name === "chromium") await lookWithoutScript();
  const other = name === "firefox" ? await start(name, "light") : null;
  if (other !== null) shapes.push({ colours: "light", width: 1280, visit: other.visit });
  for (const { colours: colorScheme, width, visit: enter } of shapes) {
    const wishes = { colorScheme, viewport: { width, height: 800 } };
    const { page, context, complaints } = await visitor(wishes, undefined, enter);
    assert.ok(await page.evaluate((wanted) => matchMedia(`(prefers-color-scheme: ${wanted})`).matches, colorScheme));
    for (const language of ["de", "en"]) {
      await page.click(`a[hreflang=${language}]`);
      await page.waitForFunction((wanted) => document.documentElement.lang === wanted, language);
      const shape = `${name}-${language}-${colorScheme}-${width}`;
      await check(page, shape);
      assert.deepEqual(complaints, []);
      await page.screenshot({ path: `${folder}/${shape}.png`, fullPage: true });
      complaints.length = 0;
      seen.push(shape);
    }
    await context.close();
  }
  await other?.browser.close();
  return seen;
}

/** The operator says at the master what plays. */
async function entitle(song, mount) {
  const answer = await fetch(`${master}/admin/metadata`, {
    method: "POST",
    headers: { Authorization: `Basic ${btoa(`admin:${password}`)}` },
    body: new URLSearchParams({ mode: "updinfo", charset: "UTF-8", mount, song }),
  });
  assert.equal(answer.status, 200, await answer.text());
}

/** The title stands on the page, where the operator said it, and not longer than it takes to ask. */
async function untilTitled(page, wanted) {
  const said = ({ text, isHidden }) => !isHidden && text === wanted;
  const read = () => page.evaluate(() => {
    const piece = document.getElementById("piece");
    return { text: piece.textContent, isHidden: piece.hidden };
  });
  const end = Date.now() + 20_000;
  for (let now = await read(); !said(now); now = await read()) {
    assert.ok(Date.now() < end, `not ${wanted}, but ${JSON.stringify(now)}`);
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  }
}

/** MP3 has no titles but those that are told beside it. */
async function hearMusic() {
  const { page, context } = await visitor({});
  await page.goto(`${balancer}/?mount=/music.mp3`);
  await entitle("Ärzte – Übungen", "/music.mp3");
  await page.click("#play");
  await untilTitled(page, "Ärzte – Übungen");
  await until("music", page, ({ state, time }) => state === "playing" && time > 0, 25_000);
  await check(page, `${name}-music`);
  await entitle("Zugabe", "/music.mp3");
  await untilTitled(page, "Zugabe");
  await context.close();
}

/** Where the page has only a player that fetches by itself. */
async function hearPlainly() {
  const { page, context } = await visitor({}, () => {
    delete window.MediaSource;
    delete window.ManagedMediaSource;
  });
  let relay = null;
  page.on("request", (request) => {
    const { origin, pathname } = new URL(request.url());
    if (origin in relays && pathname === "/live.ogg") relay = origin;
  });
  await entitle("Rede – Anfang", "/live.ogg");
  await page.click("#play");
  const first = await until("playing", page, ({ state, time }) => state === "playing" && time > 1);
  assert.equal(first.said, "Es spielt.");
  await untilTitled(page, "Rede – Anfang");
  assert.notEqual(relay, null);
  process.kill(Number(relays[relay]), "SIGKILL");
  const last = await until("sound again", page,
    ({ state, moves, time }) => state === "playing" && moves.length > first.moves.length && time > 1, 25_000);
  await context.close();
  return { plain_attempts: last.moves.length };
}

const account = (page) => page.evaluate(() => ({
  state: window.plenum.state,
  relay: window.plenum.relay,
  moves: window.plenum.moves,
  breaks: window.plenum.breaks,
  trouble: window.plenum.trouble,
  counts: window.plenum.remux?.counts,
  heard: window.plenum.remux?.heard,
  time: document.getElementById("sound").currentTime,
  said: document.getElementById("state").textContent,
}));

async function until(what, page, isTrue, limit = 15_000) {
  const end = Date.now() + limit;
  for (;;) {
    const now = await account(page);
    if (isTrue(now)) return now;
    if (Date.now() > end) {
      assert.fail(`${what} does not come true: ${JSON.stringify({ ...now, heard: now.heard?.length })}`);
    }
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  }
}

/** Each page is the next one of its log: nothing is lost, nothing comes twice. */
function checkOrder(heard) {
  assert.ok(heard.length > 5, `${heard.length} pages`);
  const log = heard.filter(({ offset }) => offset !== undefined);
  for (const [n, page] of log.entries()) {
    const before = log[n - 1];
    if (before === undefined) continue;
    assert.equal(page.epoch, before.epoch);
    assert.equal(page.offset, before.offset + before.length);
    assert.equal(page.sequence, before.sequence + 1);
    assert.ok(page.granule === -1 || page.granule >= before.granule);
  }
}

/** An address under which the page, which runs no script but its own, finds this one. */
async function smuggle(page, text) {
  if (name === "chromium") {
    return page.evaluate((body) => URL.createObjectURL(new Blob([body], { type: "text/javascript" })), text);
  }
  const address = `${balancer}/static/test/ears.mjs`;
  await page.route(address, (route) => route.fulfill({ contentType: "text/javascript", body: text }));
  return address;
}

/** The relay gets a signal. Ends when sound of another one is heard. */
async function leave(page, { relay: old, heard }, signal) {
  process.kill(Number(relays[old]), signal);
  const moved = await until("another relay", page,
    ({ state, relay }) => state === "playing" && relay !== old);
  const edge = moved.heard.at(-1).at;
  assert.ok(moved.heard.length >= heard.length, `${moved.heard.length} after ${heard.length} pages`);
  return until(`sound of ${moved.relay}`, page, ({ time }) => time > edge + 1);
}

async function hear() {
  const { page, complaints } = await visitor({ bypassCSP: name === "chromium" });
  const script = await smuggle(page, `(${worklet})()`);
  await page.evaluate(listen, { hertz: HERTZ, beginning: BEGINNING_SECONDS, script });
  const asked = new Set();
  page.on("request", (request) => {
    const { origin, pathname } = new URL(request.url());
    if (pathname === "/status-json.xsl") asked.add(origin);
  });
  await entitle("Erstes", "/live.ogg");
  // With the keyboard alone.
  await page.focus("#play");
  await page.keyboard.press("Enter");
  const first = await until("playing", page, ({ state, time }) => state === "playing" && time > 3);
  assert.equal(first.said, `Es spielt vom Relay ${new URL(first.relay).host}.`);
  await untilTitled(page, "Erstes");
  // One dies, the next one falls silent.
  const second = await leave(page, first, "SIGKILL");
  const ears = await page.evaluate(() => window.ears());
  const said = JSON.stringify(ears);
  assert.ok(ears.longestStillMs < STILL_MS_MAX && ears.waits === 0, said);
  assert.ok(ears.samples > 4 * 48_000 && ears.peak > 0.1 && ears.peak < 0.14, said);
  assert.deepEqual(ears.clicks, [], said);
  assert.ok(ears.zeros < 48_000 * (STILL_MS_MAX / 1000), said);
  await entitle("Zweites", "/live.ogg");
  const last = await leave(page, second, "SIGSTOP");
  process.kill(Number(relays[second.relay]), "SIGKILL");
  assert.equal(last.trouble, null);
  checkOrder(last.heard);
  assert.equal(last.counts.missing, 0);
  // An attempt at one that is dead may come between; then the page joins, and leaves out what it has.
  assert.ok(last.moves.some(({ isResumed }) => isResumed), JSON.stringify(last.moves));
  assert.deepEqual(new Set(last.heard.map(({ relay }) => relay).filter(Boolean)),
    new Set([first, second, last].map(({ relay }) => relay)));
  // A busy machine may take longer than there is sound ahead to notice the silence.
  const silence = await page.evaluate(() => window.ears());
  assert.ok(silence.longestStillMs < 2 * STILL_MS_MAX, JSON.stringify(silence));
  // What is said of a relay that is gone is no complaint of ours.
  const ours = complaints.filter((complaint) => !/ERR_|NetworkError|Failed to load/.test(complaint));
  assert.deepEqual(ours, []);
  await untilTitled(page, "Zweites");
  assert.deepEqual(asked, new Set([first, second, last].map(({ relay }) => relay)), "whoever plays is asked");
  await check(page, `${name}-playing`);
  // A driver puts a style of its own into the page for this, of which the page complains.
  await page.screenshot({ path: `${folder}/${name}-playing.png` });
  await page.click("#play");
  assert.equal((await account(page)).said, "Angehalten.");
  return { moves: last.moves, breaks: last.breaks, counts: last.counts, ears, silence, seconds: last.time, said: last.said };
}

try {
  // Side by side: none of them listens closely.
  const found = what === "plain"
    ? (await Promise.all([hearPlainly(), hearMusic()]))[0]
    : { ...await hear(), shapes: await look() };
  console.log(JSON.stringify(found));
} finally {
  await browser.close();
}
