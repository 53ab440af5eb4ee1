// Turns Ogg pages into what MediaSource takes, and keeps account of what was heard.
//
// A page that was there already is left out, whatever connection it comes by; missing ones are
// counted. Media time has no gaps: it counts the samples that were handed on.

import { codecOf } from "./codec.mjs";
import { Packets } from "./ogg.mjs";
import { beginning, clusters, mime } from "./webm.mjs";

/** So many pages are remembered. */
export const HEARD_MAX = 4000;

/** One listener's way through a mount. */
export class Remux {
  /** Seconds of sound handed on. */
  time = 0;
  /** The last pages, in order. */
  heard = [];
  /** How many pages came twice, were missing, or were of no use. */
  counts = { pages: 0, repeated: 0, missing: 0, links: 0 };
  /** What the current link says of itself. */
  comments = {};
  #link = null;

  /**
   * What is to be appended for these pages, in order: `{ mime, bytes }` at the beginning of a
   * link, `{ bytes, end }` for sound. Throws when a link has no codec that fits.
   */
  push(pages) {
    const parts = [];
    let frames = [];
    const flush = () => {
      if (frames.length > 0) parts.push({ bytes: clusters(frames), end: this.time });
      frames = [];
    };
    for (const page of pages) {
      const begun = this.#take(page, frames);
      if (begun === null) continue;
      // The frames of this page, if any, come after its beginning: headers end a page.
      flush();
      parts.push(begun);
    }
    flush();
    return parts;
  }

  /** Another connection brings the beginning of a link once more, or the middle of nothing. */
  get serial() {
    return this.#link?.serial ?? null;
  }

  #take(page, frames) {
    if (page.isFirst) return this.#begin(page);
    const link = this.#link;
    if (link === null || page.serial !== link.serial) return null;
    if (!link.isReady) return this.#readHeader(page);
    if (link.last !== null && page.sequence <= link.last) {
      this.counts.repeated += 1;
      return null;
    }
    this.#sound(page, frames);
    return null;
  }

  #begin(page) {
    if (this.#link?.serial === page.serial) {
      if (this.#link.isReady) this.counts.repeated += 1;
      return null;
    }
    const packets = new Packets();
    const codec = packets.push(page).map(codecOf).find((found) => found !== null) ?? null;
    if (codec === null) {
      // Another stream beside the sound is none of our business.
      if (this.#link === null || this.#link.hasEnded) throw new NoCodec("no Vorbis and no Opus");
      return null;
    }
    this.#link = {
      serial: page.serial,
      codec,
      packets,
      isReady: false,
      hasEnded: false,
      last: null,
      header: page.sequence,
    };
    return null;
  }

  #readHeader(page) {
    const link = this.#link;
    // A second connection begins with the first header page again.
    if (page.sequence <= link.header) return null;
    link.header = page.sequence;
    for (const packet of link.packets.push(page)) link.isReady ||= link.codec.header(packet);
    if (!link.isReady) return null;
    this.comments = link.codec.comments;
    this.counts.links += 1;
    return { mime: mime(link.codec), bytes: beginning(link.codec), end: this.time };
  }

  #sound(page, frames) {
    const link = this.#link;
    const missing = link.last === null ? 0 : page.sequence - link.last - 1;
    if (missing > 0 || (link.last === null && page.isContinued)) link.packets.skip();
    this.counts.missing += missing;
    link.last = page.sequence;
    link.hasEnded = page.isLast;
    this.#remember(page, missing);
    for (const packet of link.packets.push(page)) {
      const length = link.codec.length(packet) / link.codec.hertz;
      if (length === 0) continue;
      frames.push({ packet, at: this.time, length });
      this.time += length;
    }
  }

  #remember({ serial, sequence, granule, offset, bytes, epoch, relay }, missing) {
    this.counts.pages += 1;
    this.heard.push({
      epoch, offset, length: bytes.length, serial, sequence, granule, missing, relay, at: this.time,
    });
    if (this.heard.length > HEARD_MAX) this.heard.splice(0, this.heard.length - HEARD_MAX);
  }
}

/** There is nothing in the stream that can be played this way. */
export class NoCodec extends Error {}
