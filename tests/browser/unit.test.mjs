// The page's own modules: pages, packets, WebM, and whom to ask next. `node --test`.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

const web = "../../balancer/src/pages/web";
const { Broken, Framer, Packets } = await import(`${web}/ogg.mjs`);
const { codecOf } = await import(`${web}/codec.mjs`);
const { NoCodec, Remux } = await import(`${web}/remux.mjs`);
const { titleIn } = await import(`${web}/titles.mjs`);
const { lineOf, patience, question, textOf, wait } = await import(`${web}/pull.mjs`);
const { Player } = await import(`${web}/player.mjs`);

const folder = mkdtempSync(join(tmpdir(), "plenum-web-"));
after(() => rmSync(folder, { recursive: true }));
const at = (name) => join(folder, name);
const run = (program, ...words) => execFileSync(program, words, { stdio: ["ignore", "pipe", "ignore"] });
const bytesOf = (name) => new Uint8Array(readFileSync(at(name)));

before(() => {
  run("sox", "-n", "-r", "44100", "-b", "16", "-c", "2", at("noise.wav"), "synth", "6", "pinknoise", "tremolo", "3", "80");
  run("oggenc", "-Q", "-q", "3", "-t", "Ein Titel", "-a", "Jemand", at("noise.wav"), "-o", at("vorbis.ogg"));
  run("opusenc", "--quiet", "--title", "Opus", at("noise.wav"), at("opus.ogg"));
  run("sox", "-n", "-r", "48000", "-b", "16", "-c", "1", at("tone.wav"), "synth", "3", "sine", "440", "vol", "0.5");
  run("oggenc", "-Q", at("tone.wav"), "-o", at("mono.ogg"));
});

/** All that comes of `bytes` in pieces of this size. */
function remuxed(remux, bytes, size = 1777) {
  const framer = new Framer();
  const parts = [];
  for (let from = 0; from < bytes.length; from += size) {
    parts.push(...remux.push(framer.push(bytes.slice(from, from + size))));
  }
  return parts;
}

function decoded(name) {
  return execFileSync("ffmpeg", ["-v", "error", "-i", at(name), "-f", "s16le", "-"], { maxBuffer: 1 << 26 });
}

const pagesOf = (name) => new Framer().push(bytesOf(name));

describe("pages", () => {
  test("are the same wherever the stream is cut", () => {
    const whole = pagesOf("mono.ogg");
    assert.equal(whole.reduce((sum, page) => sum + page.bytes.length, 0), bytesOf("mono.ogg").length);
    for (const size of [1, 7, 255, 4096]) {
      const framer = new Framer();
      const cut = [];
      const bytes = bytesOf("mono.ogg").slice(0, 20_000);
      for (let from = 0; from < bytes.length; from += size) cut.push(...framer.push(bytes.slice(from, from + size)));
      assert.deepEqual(cut.map(({ sequence }) => sequence), whole.slice(0, cut.length).map(({ sequence }) => sequence));
      assert.ok(cut.length > 2);
    }
  });

  test("with a flipped bit, and what is no page at all, are noticed", () => {
    const bytes = bytesOf("mono.ogg");
    bytes[100] ^= 1;
    assert.throws(() => new Framer().push(bytes), Broken);
    assert.throws(() => new Framer().push(new Uint8Array(64)), Broken);
    for (let n = 0; n < 500; n += 1) {
      const noise = Uint8Array.from({ length: 400 }, () => Math.random() * 256);
      noise.set([0x4f, 0x67, 0x67, 0x53, 0]);
      try {
        new Remux().push(new Framer().push(noise));
      } catch (error) {
        assert.ok(error instanceof Broken || error instanceof NoCodec, String(error));
      }
    }
  });

  test("give packets back that go over several of them", () => {
    const packets = new Packets();
    const page = (segments, isContinued) => ({
      segments: Uint8Array.from(segments), isContinued,
      body: new Uint8Array(segments.reduce((sum, n) => sum + n, 0)),
    });
    assert.deepEqual(packets.push(page([10, 255, 255], false)).map((p) => p.length), [10]);
    assert.deepEqual(packets.push(page([255], true)).map((p) => p.length), []);
    assert.deepEqual(packets.push(page([0, 5], true)).map((p) => p.length), [765, 5]);
    // The rest of a packet whose beginning is missing is dropped.
    packets.skip();
    assert.deepEqual(packets.push(page([255, 7, 9], true)).map((p) => p.length), [9]);
  });
});

describe("sound", () => {
  for (const [name, type] of [["vorbis.ogg", "vorbis"], ["mono.ogg", "vorbis"], ["opus.ogg", "opus"]]) {
    test(`of ${name} is the same out of WebM as out of Ogg`, () => {
      const remux = new Remux();
      const parts = remuxed(remux, bytesOf(name));
      assert.equal(parts[0].mime, `audio/webm; codecs="${type}"`);
      writeFileSync(at("out.webm"), Buffer.concat(parts.map(({ bytes }) => bytes)));
      const [ogg, webm] = [decoded(name), decoded("out.webm")];
      // WebM has no eos that cuts the last block, and this one keeps Opus' pre-skip.
      const skip = type === "opus" ? webm.length - ogg.length : 0;
      assert.ok(skip >= 0 && skip < 8192 && webm.length >= ogg.length);
      if (type === "vorbis") assert.ok(ogg.equals(webm.subarray(0, ogg.length)));
      const seconds = Number(run("ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", at(name)));
      assert.ok(Math.abs(remux.time - seconds) < 0.05, `${remux.time} of ${seconds} s`);
      assert.equal(remux.counts.missing + remux.counts.repeated, 0);
    });
  }

  test("has no holes in its time, whatever the pages hold", () => {
    const ends = remuxed(new Remux(), bytesOf("vorbis.ogg"), 50_000).map(({ end }) => end);
    assert.deepEqual(ends, [...ends].sort((a, b) => a - b));
  });

  test("says what it is", () => {
    const remux = new Remux();
    remuxed(remux, bytesOf("vorbis.ogg"));
    assert.deepEqual([remux.comments.TITLE, remux.comments.ARTIST], ["Ein Titel", "Jemand"]);
  });

  test("of a chain is one after the other", () => {
    const remux = new Remux();
    const all = Buffer.concat(["vorbis.ogg", "mono.ogg", "opus.ogg"].map((name) => readFileSync(at(name))));
    const begun = remuxed(remux, new Uint8Array(all)).filter(({ mime }) => mime);
    assert.deepEqual(begun.map(({ mime }) => mime.slice(20, -1)), ["vorbis", "vorbis", "opus"]);
    assert.ok(Math.abs(begun[1].end - 6) < 0.05 && Math.abs(begun[2].end - 9) < 0.1);
    assert.ok(Math.abs(remux.time - 15) < 0.15);
  });

  test("of a codec that does not fit is refused", () => {
    const speech = pagesOf("mono.ogg")[0];
    speech.body.set(new TextEncoder().encode("Speex   "));
    assert.throws(() => new Remux().push([speech]), NoCodec);
    assert.equal(codecOf(new Uint8Array(0)), null);
  });
});

describe("another connection", () => {
  test("that begins earlier brings nothing twice", () => {
    const pages = pagesOf("vorbis.ogg");
    const once = new Remux();
    once.push(pages);
    const twice = new Remux();
    twice.push(pages.slice(0, 8));
    // Header pages and a burst, as somebody gets who joins.
    twice.push([...pages.slice(0, 2), ...pages.slice(5)]);
    assert.equal(twice.time, once.time);
    assert.deepEqual(twice.heard.map(({ sequence }) => sequence), once.heard.map(({ sequence }) => sequence));
    assert.ok(twice.counts.repeated >= 4);
    assert.equal(twice.counts.missing, 0);
  });

  test("that begins too late is noticed", () => {
    const pages = pagesOf("vorbis.ogg");
    const remux = new Remux();
    remux.push(pages.slice(0, 6));
    remux.push(pages.slice(8));
    assert.equal(remux.counts.missing, 2);
  });

  test("may come amid the headers of a link", () => {
    const pages = pagesOf("vorbis.ogg");
    const remux = new Remux();
    remux.push(pages.slice(0, 1));
    remux.push(pages);
    assert.equal(remux.counts.links, 1);
    assert.ok(remux.time > 5.9);
  });
});

describe("who is asked", () => {
  const mount = "http://radio.example/live.ogg?pace=1";
  const log = { epoch: '"ab"', next: 4711 };
  const last = "http://one.example/live.ogg?token=x";

  test("first is the balancer, for the byte that is missing and without the one that failed", () => {
    const { url, headers } = question(mount, 0, log, "http://one.example", last);
    assert.equal(url, "http://radio.example/live.ogg?pace=1&not=http%3A%2F%2Fone.example");
    assert.deepEqual(headers, { "If-Range": '"ab"', Range: "bytes=4711-9223372036854775807" });
  });

  test("then somebody who may not understand that", () => {
    assert.deepEqual(question(mount, 1, log, "http://one.example", last), { url: mount, headers: {} });
  });

  test("then the relay of before, should the balancer be away", () => {
    assert.equal(question(mount, 2, log, "http://one.example", last).url, last);
    assert.equal(question(mount, 2, log, null, null).url, mount);
  });

  test("at first for no place in the log", () => {
    assert.deepEqual(question(mount, 0, { epoch: null, next: null }, null, null).headers, {});
  });

  test("when a relay is silent, while there is still sound ahead", () => {
    const long = 60_000;
    assert.deepEqual([0, 500, 2000, 60_000].map((pause) => patience(pause, long)), [2500, 2500, 6000, 10_000]);
    assert.equal(patience(500, 4000), 1500);
    assert.equal(patience(500, 0), 1000);
    assert.equal(patience(2000, 3000), 4000);
  });

  test("at once, then later and later, and not by all at the same moment", () => {
    assert.equal(wait(0, 0.9), 0);
    assert.equal(wait(1, 0.5), 500);
    assert.ok(wait(2, 0.1) < wait(2, 0.9));
    assert.ok(wait(50, 1) <= 12_000);
  });
});

describe("an answer", () => {
  const line = (status, why) => lineOf(new Response(null, { status, headers: why ? { "Plenum-Why": why } : {} }));

  test("says whether there is nothing to hear, no place, or nobody", () => {
    assert.deepEqual([line(503, "not_on_air"), line(503, "full"), line(404)], ["silent", "full", "silent"]);
    assert.deepEqual([line(503, "no_relay"), line(503), line(500)], ["down", "down", "down"]);
  });

  test("names the station in its own letters", () => {
    const sent = (text) => Buffer.from(text, "utf-8").toString("latin1");
    assert.equal(textOf(sent("Söhne – Ёж")), "Söhne – Ёж");
    assert.equal(textOf("S\u00f6hne"), "Söhne", "a server that writes Latin-1");
    assert.deepEqual([textOf("Radio"), textOf(null)], ["Radio", null]);
  });
});

describe("titles", () => {
  const source = (path, more) => ({ listenurl: `http://r.example:8000${path}`, ...more });
  const of = (sources) => titleIn({ icestats: { source: sources } }, "/a.mp3");

  test("are those of the mount, whether the relay has one or many", () => {
    assert.deepEqual(of(source("/a.mp3", { title: "T", artist: "A" })), { title: "T", artist: "A" });
    const many = [source("/b.mp3", { title: "B" }), source("/a.mp3", { title: "A - T" })];
    assert.deepEqual(of(many), { title: "A - T", artist: undefined });
    assert.deepEqual(of(source("/a.mp3", {})), { title: undefined, artist: undefined });
  });

  test("are none in what is no such page", () => {
    for (const other of [null, {}, [], "x", { icestats: null }, { icestats: { source: [null, 7, {}, { listenurl: "x" }] } }]) {
      assert.equal(titleIn(other, "/a.mp3"), null);
    }
    assert.equal(of(source("/b.mp3", { title: "B" })), null);
    assert.deepEqual(of(source("/a.mp3", { title: 7, artist: {} })), { title: undefined, artist: undefined });
  });
});

describe("an element that plays nothing", () => {
  /** It says so at once, whatever it gets; `refused` is what `play` says. */
  class Element extends EventTarget {
    error = null;
    currentTime = 0;
    nTried = 0;
    constructor(code, refused = null, message = "cannot decode") {
      super();
      [this.code, this.refused, this.message] = [code, refused, message];
    }
    set src(_) {
      this.nTried += 1;
      if (this.refused !== null) return;
      queueMicrotask(() => {
        this.error = { code: this.code, message: this.message };
        this.dispatchEvent(new Event("error"));
      });
    }
    play() {
      return this.refused === null ? Promise.resolve() : Promise.reject(this.refused);
    }
    load() {}
    removeAttribute() {}
  }

  const asked = globalThis.fetch;
  const byPort = async (url) => new Response(null, { status: Number(new URL(url).port) });
  before(() => {
    globalThis.fetch = byPort;
  });
  after(() => {
    globalThis.fetch = asked;
  });

  /** The player, when it has stopped or tried so often. Relays answer with this status. */
  async function played(element, status, nTried) {
    const player = new Player(element, () => {});
    player.start(`http://radio.example:${status}/live.ogg`);
    while (player.state !== "stopped" && element.nTried < nTried) await new Promise((done) => setTimeout(done, 5));
    const { state, isUnplayable } = player;
    player.stop();
    return { state, isUnplayable, nTried: element.nTried };
  }

  test("waits quietly while nothing is on air", async () => {
    const said = [];
    globalThis.fetch = async () => new Response(null, { status: 503, headers: { "Plenum-Why": "not_on_air" } });
    const element = new Element(4);
    const player = new Player(element, ({ state }) => { if (state !== said.at(-1)) said.push(state); });
    player.start("http://radio.example/live.ogg");
    while (element.nTried < 3) await new Promise((done) => setTimeout(done, 5));
    player.stop();
    globalThis.fetch = byPort;
    assert.deepEqual(said, ["stopped", "connecting", "silent", "stopped"]);
  });

  const gaveUp = (nTried) => ({ state: "stopped", isUnplayable: true, nTried });

  test("is not taken from relay to relay for ever, but on while relays are at fault, or the network", async () => {
    const [dumb, foreign, full, broken] = await Promise.all([
      played(new Element(3), 200, 4), played(new Element(4), 200, 4),
      played(new Element(4), 503, 4), played(new Element(2), 200, 4),
    ]);
    assert.deepEqual([dumb, foreign], [gaveUp(3), gaveUp(3)]);
    assert.deepEqual([full.isUnplayable, broken.isUnplayable], [false, false]);
    assert.deepEqual([full.nTried, broken.nTried], [4, 4]);
  });

  test("says so at once when it may not, or knows of no device", async () => {
    assert.deepEqual(await played(new Element(3, null, "OnMediaSinkAudioError"), 200, 2), gaveUp(1));
    const refused = new DOMException("not without a click", "NotAllowedError");
    assert.deepEqual(await played(new Element(0, refused), 200, 2), gaveUp(1));
  });
});
