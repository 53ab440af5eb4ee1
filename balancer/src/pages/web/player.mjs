// Plays a mount in an <audio> or <video> element, and goes on when a relay does not.
//
// Where the browser takes WebM piece by piece (MediaSource), the sound goes on without a gap, for
// the page fetches it itself. Elsewhere, and for what is no sound in Ogg, the element gets the
// balancer's link, and gets it again when the sound ends.

import { Pull, lineOf, wait } from "./pull.mjs";
import { NoCodec, Remux } from "./remux.mjs";
import { Titles } from "./titles.mjs";

/** So much of what was heard is kept, in seconds. */
const KEPT_SECONDS = 20;
/** Who is so far behind what has come was asleep: he goes on with what is now. */
const BEHIND_SECONDS_MAX = 120;
const EDGE_SECONDS = 4;
/** In an element with a link of its own, so long without sound means that the relay is gone. */
const STUCK_MS_MAX = 8000;
/** Until the first sound: Chromium wants 32 KiB before it begins, whatever time they take. */
const BEGIN_MS_MAX = 20_000;
const LOOK_MS = 1000;
/** What an element says (MediaError) whose sound cannot be played; of no answer it says the second, too. */
const [DECODE, NOT_SUPPORTED] = [3, 4];
/** So many relays in a row that send, and whose sound the element does not play, are not at fault. */
const UNPLAYED_MAX = 3;
/** So long a relay may take to say that it would send. */
const ASK_MS_MAX = 5000;
/** So many moves and breaks are remembered. */
const NOTES_MAX = 100;

const Source = globalThis.ManagedMediaSource ?? globalThis.MediaSource;

/** The one who listens. `tell(state)` hears of every change; what it says is in `state`. */
export class Player {
  /** `stopped`, `connecting`, `playing`, `changing`, `waiting`, `full` or `silent`. */
  state = "stopped";
  /** Whom the sound comes from, where the page can know it. */
  relay = null;
  /** What plays: `{ title, artist }`, as the stream says, or the relay beside it. */
  title = null;
  station = null;
  /** Every relay there was: `{ relay, isResumed, at }`; and every break: `{ why, at }`. */
  moves = [];
  breaks = [];
  remux = null;
  #audio;
  #tell;
  #stop = null;
  /** `up`, `down`, `full` or `silent`. */
  #line = "down";
  #isFlowing = false;
  #hasFlowed = false;
  #titles = new Titles((title) => this.#name(title));
  #comments = null;
  /** Why the sound does not come piece by piece, for whoever looks into it. */
  trouble = null;
  /** It was stopped, for this browser plays nothing: without a sound device, or not allowed to. */
  isUnplayable = false;

  constructor(audio, tell) {
    this.#audio = audio;
    this.#tell = tell;
    for (const event of ["playing", "waiting", "emptied"]) {
      audio.addEventListener(event, () => {
        this.#isFlowing = event === "playing";
        this.#hasFlowed ||= this.#isFlowing;
        this.#judge();
      });
    }
  }

  /** To be called while somebody presses something: browsers want that. */
  start(mount, isPlain = false) {
    this.stop();
    const stop = new AbortController();
    [this.#stop, this.isUnplayable] = [stop, false];
    this.#judge();
    const isOurs = () => this.#stop === stop;
    const plain = () => isOurs() && this.#playLink(mount, stop.signal);
    if (isPlain || Source === undefined || !isTaken("vorbis") && !isTaken("opus")) {
      plain();
      return;
    }
    this.#playPieces(mount, stop.signal).catch((error) => {
      this.trouble = String(error);
      if (isOurs() && isWithoutDevice(this.#audio.error)) this.#giveUp(error);
      else plain();
    });
  }

  stop() {
    this.#stop?.abort();
    this.#stop = null;
    this.#titles.stop();
    this.#audio.removeAttribute("src");
    this.#audio.load();
    [this.relay, this.title, this.#comments] = [null, null, null];
    [this.#line, this.#isFlowing, this.#hasFlowed] = ["down", false, false];
    this.#judge();
  }

  /** Other relays would not be heard either. */
  #giveUp(why) {
    [this.trouble, this.isUnplayable] = [String(why), true];
    this.stop();
  }

  /** The browser lets the element play, or says why not. */
  #begin(signal) {
    this.#audio.play().catch((error) => {
      if (error.name === "NotAllowedError" && !signal.aborted) this.#giveUp(error);
    });
  }

  /** What all of it comes to, for the listener. */
  #judge() {
    // Between attempts nothing is said: it is as it was until there is sound.
    const still = ["full", "silent"].includes(this.state) ? this.state : null;
    this.state = this.#stop === null ? "stopped"
      : this.#line === "up" ? (this.#isFlowing ? "playing" : still ?? "connecting")
      : this.#isFlowing ? "changing"
      : this.#line !== "down" ? this.#line
      : still ?? (this.#hasFlowed ? "waiting" : "connecting");
    this.#tell(this);
  }

  async #playPieces(mount, outer) {
    const own = new AbortController();
    const signal = own.signal;
    outer.addEventListener("abort", () => own.abort());
    const deck = new Deck(this.#audio, signal, () => this.#begin(signal));
    const remux = new Remux();
    this.remux = remux;
    const pull = new Pull(mount, {
      answer: (answer) => {
        this.#arrive(answer);
        this.#titles.follow(mount, answer.relay);
      },
      broken: (error) => this.#break(error),
      aheadMs: () => (remux.time - this.#audio.currentTime) * 1000,
      pages: (pages) => {
        deck.add(remux.push(pages));
        this.#read(remux);
      },
    });
    await Promise.all([pull.run(signal), deck.run()]).finally(() => own.abort());
  }

  #arrive({ relay, name, isResumed }) {
    [this.relay, this.station] = [relay, name ?? this.station];
    note(this.moves, { relay, isResumed });
    this.#line = "up";
    this.#judge();
  }

  #break(error) {
    note(this.breaks, { why: String(error) });
    this.#line = error.line ?? "down";
    this.#judge();
  }

  /** The element plays nothing, and this is why. */
  #find(line) {
    [this.#line, this.#isFlowing] = [line, false];
    this.#judge();
  }

  /**
   * A new link says its title at the right moment; what the relay says beside it counts until
   * then, and again when it is asked next.
   */
  #read({ comments, counts }) {
    if (comments === this.#comments) return;
    this.#comments = comments;
    const isKnown = counts.links <= 1 && this.title !== null;
    if (comments.TITLE !== undefined && !isKnown) this.#name({ title: comments.TITLE, artist: comments.ARTIST });
  }

  #name(title) {
    this.title = title;
    this.#tell(this);
  }

  /** The element fetches by itself; we see to it that it begins again. */
  #playLink(mount, signal) {
    let [n, heard, since, nUnplayed] = [0, 0, performance.now(), 0];
    const begin = () => {
      const url = new URL(mount);
      url.searchParams.set("n", String(this.moves.length));
      note(this.moves, { relay: null, isResumed: false });
      [heard, since] = [0, performance.now()];
      this.#audio.src = url.href;
      this.#begin(signal);
      this.#titles.follow(mount, null);
    };
    let timer = null;
    const again = () => {
      if (signal.aborted || timer !== null) return;
      this.#line = "down";
      this.#isFlowing = false;
      this.#judge();
      timer = setTimeout(() => {
        timer = null;
        n += 1;
        if (!signal.aborted) begin();
      }, wait(n, Math.random()));
    };
    const failed = async () => {
      const { error } = this.#audio;
      const isMute = heard === 0 && [DECODE, NOT_SUPPORTED].includes(error?.code);
      // Whoever sends nothing is at fault himself.
      const line = isMute ? await askedFor(mount, signal) : "down";
      nUnplayed = line === "up" ? nUnplayed + 1 : 0;
      if (signal.aborted) return;
      if (line !== "up") this.#find(line);
      if (nUnplayed < UNPLAYED_MAX && !isWithoutDevice(error)) again();
      else this.#giveUp(`the element plays nothing: ${error.message}`);
    };
    const look = () => {
      const now = this.#audio.currentTime;
      if (now > heard) {
        [heard, since] = [now, performance.now()];
        if (now > 5) n = 0;
        if (this.#line !== "up") {
          this.#line = "up";
          this.#judge();
        }
      } else if (performance.now() - since > (now > 0 ? STUCK_MS_MAX : BEGIN_MS_MAX)) {
        since = performance.now();
        again();
      }
    };
    this.#audio.addEventListener("ended", again, { signal });
    this.#audio.addEventListener("error", failed, { signal });
    const watch = setInterval(look, LOOK_MS);
    signal.addEventListener("abort", () => {
      clearInterval(watch);
      clearTimeout(timer);
    });
    begin();
  }
}

/** Firefox says in its own words that no device takes the sound; with a link of its own it does not. */
function isWithoutDevice(error) {
  return /MediaSink/.test(error?.message);
}

/** Whether somebody would send it at this moment (`up`), and else why not, as far as that can be known. */
async function askedFor(mount, signal) {
  try {
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(ASK_MS_MAX)]);
    const answer = await fetch(mount, { method: "HEAD", cache: "no-store", credentials: "omit", signal: inTime });
    return answer.ok ? "up" : lineOf(answer);
  } catch {
    return "down";
  }
}

function note(list, what) {
  list.push({ ...what, at: performance.now() });
  if (list.length > NOTES_MAX) list.shift();
}

function isTaken(codec) {
  return Source.isTypeSupported(`audio/webm; codecs="${codec}"`);
}

/** Hands pieces to the element, one after the other. */
class Deck {
  #audio;
  #signal;
  #begin;
  #parts = [];
  #wake = () => {};
  #buffer = null;
  #mime = null;

  constructor(audio, signal, begin) {
    [this.#audio, this.#signal, this.#begin] = [audio, signal, begin];
    signal.addEventListener("abort", () => this.#wake());
  }

  add(parts) {
    this.#parts.push(...parts);
    this.#wake();
  }

  /** Goes on until it is stopped. Throws when the element takes no more. */
  async run() {
    const source = new Source();
    const url = URL.createObjectURL(source);
    this.#audio.disableRemotePlayback = true;
    this.#audio.src = url;
    this.#begin();
    await happens(source, "sourceopen", this.#signal);
    URL.revokeObjectURL(url);
    source.duration = Infinity;
    while (!this.#signal.aborted) {
      const part = this.#parts.shift();
      if (part === undefined) {
        await new Promise((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      if (this.#audio.error !== null) throw new Error(`the element has failed: ${this.#audio.error.message}`);
      await this.#append(source, part);
      await this.#tidy();
    }
  }

  async #append(source, { mime, bytes }) {
    if (mime !== undefined && mime !== this.#mime) {
      if (!Source.isTypeSupported(mime)) throw new NoCodec(mime);
      if (this.#buffer === null) this.#buffer = source.addSourceBuffer(mime);
      else this.#buffer.changeType(mime);
      this.#mime = mime;
    }
    this.#buffer.appendBuffer(bytes);
    await happens(this.#buffer, "updateend", this.#signal);
  }

  /** What was heard is let go; who was asleep is brought to now. */
  async #tidy() {
    const { buffered, currentTime } = this.#audio;
    if (buffered.length === 0) return;
    const end = buffered.end(buffered.length - 1);
    if (end - currentTime > BEHIND_SECONDS_MAX) this.#audio.currentTime = end - EDGE_SECONDS;
    // Rounding may leave a hole of a millisecond between two links.
    const isStuck = this.#audio.readyState < 3 && end - currentTime > 1;
    if (isStuck) this.#audio.currentTime = nextStart(buffered, currentTime) ?? currentTime;
    if (currentTime - buffered.start(0) > 2 * KEPT_SECONDS) {
      this.#buffer.remove(0, currentTime - KEPT_SECONDS);
      await happens(this.#buffer, "updateend", this.#signal);
    }
  }
}

function nextStart(buffered, time) {
  for (let n = 0; n < buffered.length; n += 1) {
    if (buffered.start(n) > time) return buffered.start(n);
  }
  return null;
}

function happens(target, event, signal) {
  return new Promise((resolve, reject) => {
    const ready = new AbortController();
    const done = (settle) => (value) => {
      ready.abort();
      settle(value);
    };
    target.addEventListener(event, done(resolve), { signal: ready.signal });
    signal.addEventListener("abort", done(resolve), { signal: ready.signal });
    target.addEventListener("error", done(reject), { signal: ready.signal });
  });
}
