// Gets the pages of a mount through the balancer, from relay after relay, as one stream.
//
// When a relay breaks off, refuses or falls silent, the next one is asked for the byte that is
// missing (docs/PROTOCOL.md, "Resume"). Knows nothing of sound and of the page around it.

import { Framer } from "./ogg.mjs";

/** A relay that sends nothing for so long is left. One that serves in larger portions is given
 * three times the longest pause it made, at most so long. */
const SILENCE_MS = 2500;
const SILENCE_MS_MAX = 10_000;
const PAUSES = 3;
/** But this much sound has to be left then, to look for another one without a gap. */
const MOVE_MS = 2500;
/** An answer that takes longer does not come. The balancer lets people wait for up to 8 s. */
export const ANSWER_MS_MAX = 12_000;
/** The first attempt after a break is made at once; then after half a second, one, two, … */
const WAIT_MS = 500;
const WAIT_MS_MAX = 8000;
/** Somebody who has been served for so long begins to count attempts anew. */
const SETTLED_MS = 10_000;

/** How long to wait before attempt `n` (0 is the first after a break): with chance in it, for a
 * whole audience loses its relay in the same moment. */
export function wait(n, chance) {
  return n === 0 ? 0 : Math.min(WAIT_MS * 2 ** (n - 1), WAIT_MS_MAX) * (0.5 + chance);
}

/** How long a relay may be silent whose longest pause was so long, with so much sound ahead. */
export function patience(pauseMs, aheadMs) {
  const wanted = Math.min(Math.max(SILENCE_MS, PAUSES * pauseMs), SILENCE_MS_MAX);
  return Math.min(wanted, Math.max(aheadMs - MOVE_MS, 2 * pauseMs, 1000));
}

/** What to ask at attempt `n`, given the place in the log, who failed last and who served last. */
export function question(mount, n, { epoch, next }, failed, last) {
  // Should the balancer be away, the relay may still be there.
  const isDirect = n % 3 === 2 && last !== null;
  const url = new URL(isDirect ? last : mount);
  // Should it be the only one, it may be there again.
  if (failed !== null && n % 3 === 0) url.searchParams.set("not", failed);
  // Somebody else's relay may not let scripts send these two headers.
  const isPlain = epoch === null || n % 3 === 1;
  const headers = isPlain ? {}
    : { "If-Range": epoch, Range: `bytes=${next}-9223372036854775807` };
  return { url: url.href, headers };
}

/** An answer that is no sound. `retryMs`: when it makes sense to ask again; null: as usual. */
class Refused extends Error {
  constructor(answer, retryMs) {
    super(`status ${answer.status}`);
    this.line = lineOf(answer);
    this.retryMs = retryMs;
  }
}

/** What an answer that is no sound means to the listener: `silent`, `full` or `down`. */
export function lineOf({ status, headers }) {
  const why = headers.get("Plenum-Why");
  if (status === 404 || why === "not_on_air") return "silent";
  return why === "full" ? "full" : "down";
}

/** A header's value, of which browsers make Latin-1 though servers write UTF-8. */
export function textOf(value) {
  if (value === null) return null;
  try {
    const bytes = Uint8Array.from(value, (letter) => letter.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return value;
  }
}

/** One listener's connection, whatever becomes of the relays. */
export class Pull {
  #mount;
  #tell;
  #log = { epoch: null, next: null };
  /** Breaks since it last went well for a while. */
  #nBreaks = 0;
  /** Attempts since there was an answer. */
  #nAttempts = 0;
  #failed = null;
  #last = null;
  /** Who answers at present, or has just broken off. */
  #relay = null;

  /**
   * `tell.answer({ relay, name, isResumed })` and `tell.broken(error)` say what happens;
   * `tell.pages(pages)` takes what came; `tell.aheadMs()` is how much is not heard yet.
   */
  constructor(mount, tell) {
    this.#mount = mount;
    this.#tell = tell;
  }

  /** Goes on until `signal` is aborted, or `tell.pages` throws. */
  async run(signal) {
    while (!signal.aborted) {
      const began = performance.now();
      try {
        await this.#connection(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Fatal) throw error.cause;
        if (performance.now() - began > SETTLED_MS) this.#nBreaks = 0;
        this.#tell.broken(error);
        await sleep(error.retryMs ?? wait(this.#nBreaks, Math.random()), signal);
        this.#nBreaks += 1;
      }
    }
  }

  async #connection(signal) {
    const own = new AbortController();
    const abort = () => own.abort();
    signal.addEventListener("abort", abort);
    let timer = setTimeout(abort, ANSWER_MS_MAX);
    try {
      const answer = await this.#ask(own.signal);
      const reader = answer.body.getReader();
      const place = this.#place(answer);
      let [pause, came] = [0, performance.now()];
      for (;;) {
        clearTimeout(timer);
        timer = setTimeout(abort, patience(pause, this.#tell.aheadMs()));
        const { done, value } = await reader.read();
        [pause, came] = [Math.max(pause, performance.now() - came), performance.now()];
        if (done) throw new Error("the relay has closed the connection");
        this.#take(place, value);
      }
    } catch (error) {
      this.#failed = this.#relay ?? this.#failed;
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      own.abort();
    }
  }

  async #ask(signal) {
    this.#relay = null;
    const { url, headers } =
      question(this.#mount, this.#nAttempts, this.#log, this.#failed, this.#last);
    this.#nAttempts += 1;
    const answer = await fetch(url, { headers, signal, cache: "no-store", credentials: "omit",
      referrerPolicy: "no-referrer" });
    this.#relay = new URL(answer.url).origin;
    if (answer.ok) {
      this.#nAttempts = 0;
      this.#last = answer.url;
      this.#tell.answer({ relay: this.#relay, name: textOf(answer.headers.get("icy-name")),
        isResumed: answer.status === 206 });
      return answer;
    }
    // 416: it has not got so far yet. It is no worse than others, and has it in a moment.
    const seconds = Number(answer.headers.get("Retry-After"));
    if (answer.status === 416) [this.#relay, this.#nAttempts] = [null, 0];
    throw new Refused(answer, seconds > 0 ? seconds * 1000 * (0.5 + Math.random()) : null);
  }

  /** Where in the log an answer begins. */
  #place({ status, headers }) {
    const number = (name) => (/^\d+$/.test(headers.get(name) ?? "") ? Number(headers.get(name)) : null);
    const epoch = headers.get("ETag");
    const [offset, prefix] = [number("Stream-Offset"), number("Stream-Prefix")];
    const isKnown = epoch !== null && offset !== null && prefix !== null;
    return { framer: new Framer(), relay: this.#relay, epoch: isKnown ? epoch : null,
      offset, prefix: isKnown ? prefix : 0, isResumed: status === 206 };
  }

  #take(place, chunk) {
    const pages = place.framer.push(chunk);
    if (pages.length === 0) return;
    this.#failed = null;
    try {
      this.#tell.pages(pages.filter((page) => this.#isNew(place, page)));
    } catch (error) {
      throw new Fatal(error);
    }
  }

  /** Gives a page its place in the log. Says whether it has not been there yet. */
  #isNew(place, page) {
    page.relay = place.relay;
    if (place.epoch === null) return true;
    if (place.prefix > 0) {
      place.prefix -= page.bytes.length;
      return true;
    }
    [page.epoch, page.offset] = [place.epoch, place.offset];
    place.offset += page.bytes.length;
    const log = this.#log;
    if (log.epoch === place.epoch && page.offset < log.next) return false;
    [log.epoch, log.next] = [place.epoch, place.offset];
    return true;
  }
}

/** Not the connection's fault: another relay would not help. */
class Fatal extends Error {
  constructor(cause) {
    super("the stream cannot be played", { cause });
  }
}

function sleep(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}
