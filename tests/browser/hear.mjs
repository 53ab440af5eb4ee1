// Plays links with a browser's own player: `node hear.mjs <browser> <seconds> <link>…`, each when it
// has been on air for a while.
//
// Ends with an account as JSON: of each link how many seconds were heard, how many pictures were
// seen, and what was wrong.

import { start } from "./browsers.mjs";

/** A busy machine is slow. */
const PATIENCE_MS = 90_000;
const CLOSE_MAX_MS = 5_000;
/** Who waits for this waits a little longer: a browser ends with this process, unless it is killed. */
const END_MAX_MS = 140_000;
const [name, seconds, ...links] = process.argv.slice(2);

setTimeout(() => process.exit(1), END_MAX_MS).unref();
const { browser, visit } = await start(name);
const page = await (await visit({})).newPage();
// From nowhere, Chromium lets nobody reach this machine.
await page.goto(new URL("/", links[0]).href);
const account = await page.evaluate(async ({ links, seconds, patience }) => {
  const pause = () => new Promise((resolve) => { setTimeout(resolve, 500); });
  /** Until who comes does not get the beginning of the log. */
  const late = async (link) => {
    for (;;) {
      const answer = await fetch(link);
      await answer.body?.cancel();
      if (Number(answer.headers.get("stream-offset")) > 0) return;
      await pause();
    }
  };
  const play = (link) => new Promise((resolve) => {
    const player = document.createElement(/\.(ogv|webm)$/.test(link) ? "video" : "audio");
    document.body.append(player);
    let begun;
    const heard = () => (begun === undefined ? 0 : player.currentTime - begun);
    const nPictures = () => player.getVideoPlaybackQuality?.().totalVideoFrames ?? 0;
    const end = (wrong) => {
      resolve({ link, heard: heard(), n_pictures: nPictures(), wrong });
      // A browser has six connections to one server: the next link waits for this one.
      player.removeAttribute("src");
      player.load();
    };
    player.muted = true;
    player.addEventListener("error", () => end(player.error?.message || `code ${player.error?.code}`));
    player.addEventListener("ended", () => end("the stream ended"));
    player.addEventListener("timeupdate", () => {
      // Where the time of a stream begins is up to the browser.
      if (begun === undefined && player.currentTime > 0) begun = player.currentTime;
      if (heard() >= seconds) end(null);
    });
    setTimeout(() => end("not in time"), patience);
    late(link).then(() => {
      player.src = link;
      return player.play();
    }).catch((error) => end(String(error)));
  });
  return Promise.all(links.map(play));
}, { links, seconds: Number(seconds), patience: PATIENCE_MS });
console.log(JSON.stringify(account));
// What is left of it dies with this process.
await Promise.race([browser.close(), new Promise((resolve) => { setTimeout(resolve, CLOSE_MAX_MS); })]);
process.exit();
