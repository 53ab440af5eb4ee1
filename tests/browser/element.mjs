// Somebody who listens without any page of ours: `node element.mjs <browser> <stream>`.
//
// The stream is the source of a plain <audio> element, as on other people's pages; it is to play,
// wherever it is led. Ends with an account as JSON, or with what is wrong.

import assert from "node:assert/strict";
import { start } from "./browsers.mjs";

const [name, stream] = process.argv.slice(2);
const { browser, visit } = await start(name);

const state = (page) => page.evaluate(() => {
  const audio = document.querySelector("audio");
  return { time: audio.currentTime, error: audio.error?.message ?? null };
});

try {
  const page = await (await visit({})).newPage();
  await page.setContent(`<audio src="${stream}" autoplay muted></audio>`);
  const end = Date.now() + 30_000;
  let now = await state(page);
  while (now.time < 1) {
    assert.equal(now.error, null);
    assert.ok(Date.now() < end, `it does not play: ${JSON.stringify(now)}`);
    await new Promise((resolve) => { setTimeout(resolve, 100); });
    now = await state(page);
  }
  console.log(JSON.stringify(now));
} finally {
  await browser.close();
}
