// Somebody who watches: `node watch.mjs <browser> <stream> <page>`.
//
// Opens a stream with a picture in a <video> element of its own and, beside it, a balancer's page
// of the same mount. In both the picture moves, and nothing is wrong. Ends with an account as
// JSON, or with what is wrong.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { start } from "./browsers.mjs";

const [name, stream, url] = process.argv.slice(2);
const { browser, visit } = await start(name);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What the element in a page has come to. */
const state = (page) => page.evaluate(() => {
  const video = document.querySelector("video");
  return {
    time: video.currentTime,
    width: video.videoWidth,
    frames: video.getVideoPlaybackQuality().totalVideoFrames,
    error: video.error?.message ?? null,
    isSeen: video.getClientRects().length > 0,
  };
});

/** Until it has played for so long. */
async function watched(page, seconds) {
  const end = Date.now() + 25_000;
  let first = null;
  for (;;) {
    const now = await state(page);
    assert.equal(now.error, null);
    if (now.frames > 0) first ??= now;
    if (first !== null && now.time - first.time > seconds && now.frames > first.frames + 5) return now;
    assert.ok(Date.now() < end, `it does not play: ${JSON.stringify(now)}`);
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  }
}

async function inElement() {
  const page = await (await visit({})).newPage();
  await page.setContent(`<video src="${stream}" autoplay muted></video>`);
  return watched(page, 2);
}

async function inPage() {
  const page = await (await visit({ locale: "en-GB" })).newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(url);
  await page.click("#play");
  const seen = await watched(page, 1);
  assert.ok(seen.isSeen, "the picture is hidden");
  await page.waitForFunction(() => window.plenum.state === "playing", null, { timeout: 15_000 });
  assert.deepEqual(complaints, []);
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run());
  assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
  return seen;
}

try {
  const [element, page] = await Promise.all([inElement(), inPage()]);
  console.log(JSON.stringify({ element, page }));
} finally {
  await browser.close();
}
