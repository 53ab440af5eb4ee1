// Cuts a stream into Ogg pages and pages into packets (RFC 3533). Does not know any codec.

const HEAD_BYTES = 27;
/** A page is at most this long (RFC 3533 §6). */
export const PAGE_BYTES_MAX = 65_307;
/** A longer packet is no sound; it is dropped. */
export const PACKET_BYTES_MAX = 1 << 20;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let sum = n << 24;
  for (let bit = 0; bit < 8; bit += 1) {
    sum = sum & 0x8000_0000 ? (sum << 1) ^ 0x04c1_1db7 : sum << 1;
  }
  return sum >>> 0;
});

function crc(page) {
  let sum = 0;
  for (let at = 0; at < page.length; at += 1) {
    const byte = at >= 22 && at < 26 ? 0 : page[at];
    sum = ((sum << 8) ^ CRC_TABLE[(sum >>> 24) ^ byte]) >>> 0;
  }
  return sum;
}

/** Nonsense where a page should begin: the connection is of no use any more. */
export class Broken extends Error {}

/** Joins byte chunks and gives whole pages back. */
export class Framer {
  #rest = new Uint8Array(0);

  /** The pages that are complete now. Throws `Broken`. */
  push(chunk) {
    const bytes = joined(this.#rest, chunk);
    const pages = [];
    let at = 0;
    for (;;) {
      const page = pageAt(bytes, at);
      if (page === null) break;
      pages.push(page);
      at += page.bytes.length;
    }
    this.#rest = bytes.slice(at);
    return pages;
  }
}

function joined(a, b) {
  if (a.length === 0) return b;
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function pageAt(bytes, at) {
  if (bytes.length - at < HEAD_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  if (view.getUint32(0) !== 0x4f67_6753 || view.getUint8(4) !== 0) throw new Broken("no Ogg page");
  const nSegments = view.getUint8(26);
  const bodyAt = at + HEAD_BYTES + nSegments;
  if (bytes.length < bodyAt) return null;
  const segments = bytes.subarray(at + HEAD_BYTES, bodyAt);
  const end = segments.reduce((sum, length) => sum + length, bodyAt);
  if (bytes.length < end) return null;
  const page = bytes.slice(at, end);
  if (crc(page) !== view.getUint32(22, true)) throw new Broken("wrong checksum");
  return {
    bytes: page,
    isContinued: (view.getUint8(5) & 1) !== 0,
    isFirst: (view.getUint8(5) & 2) !== 0,
    isLast: (view.getUint8(5) & 4) !== 0,
    granule: granule(view),
    serial: view.getUint32(14, true),
    sequence: view.getUint32(18, true),
    segments,
    body: page.subarray(HEAD_BYTES + nSegments),
  };
}

/** Exact up to 2^53: samples of six thousand years. -1: no packet ends on the page. */
function granule(view) {
  const [low, high] = [view.getUint32(6, true), view.getInt32(10, true)];
  return high === -1 && low === 0xffff_ffff ? -1 : high * 2 ** 32 + low;
}

/** Joins the packets of one logical stream. */
export class Packets {
  /** What has come of a packet that goes on on the next page; null: it is of no use. */
  #begun = [];

  /** The packets that end on this page. */
  push(page) {
    const packets = [];
    if (!page.isContinued) this.#begun = [];
    let [at, start] = [0, 0];
    for (const length of page.segments) {
      at += length;
      if (length === 255) continue;
      this.#take(page.body.subarray(start, at));
      if (this.#begun !== null) packets.push(whole(this.#begun));
      [this.#begun, start] = [[], at];
    }
    if (start < at || page.segments.at(-1) === 255) this.#take(page.body.subarray(start, at));
    return packets;
  }

  /** Pages are missing: what was begun has no end. */
  skip() {
    this.#begun = null;
  }

  #take(part) {
    if (this.#begun === null) return;
    const length = this.#begun.reduce((sum, before) => sum + before.length, part.length);
    if (length > PACKET_BYTES_MAX) this.#begun = null;
    else this.#begun.push(part);
  }
}

function whole(parts) {
  return parts.length === 1 ? parts[0] : parts.reduce(joined);
}
