// What the headers of Vorbis and Opus say, and how long their packets are. Decodes no sound.

/** Opus always counts 48,000 samples a second (RFC 7845 §4). */
const OPUS_HERTZ = 48_000;

/** The codec whose first header packet this is; null: none that a browser takes this way. */
export function codecOf(packet) {
  if (begins(packet, "\x01vorbis")) return Vorbis.of(packet);
  if (begins(packet, "OpusHead")) return Opus.of(packet);
  return null;
}

function begins(packet, word) {
  return packet.length >= word.length
    && [...word].every((letter, at) => packet[at] === letter.charCodeAt(0));
}

function viewOf(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

class Vorbis {
  static of(packet) {
    if (packet.length < 30) return null;
    const view = viewOf(packet);
    const codec = new Vorbis();
    codec.channels = packet[11];
    codec.hertz = view.getUint32(12, true);
    codec.sizes = [1 << (packet[28] & 15), 1 << (packet[28] >> 4)];
    codec.headers = [packet];
    return codec.channels > 0 && codec.hertz > 0 ? codec : null;
  }

  name = "vorbis";
  webmName = "A_VORBIS";
  /** Samples of the block before; 0 after a gap. */
  #before = 0;

  /** Takes the next packet as a header. Says whether it was the last one; throws if it is none. */
  header(packet) {
    const word = this.headers.length === 1 ? "\x03vorbis" : "\x05vorbis";
    if (!begins(packet, word)) throw new Error("a Vorbis header is missing");
    this.headers.push(packet);
    if (this.headers.length < 3) return false;
    this.isLong = modes(packet);
    this.modeBits = 32 - Math.clz32(this.isLong.length - 1);
    return true;
  }

  get comments() {
    return comments(this.headers[1].subarray(7));
  }

  /** What a WebM track wants to know: three headers in one (Matroska, "A_VORBIS"). */
  get private() {
    const [first, second, third] = this.headers;
    return concat([[2], lacing(first.length), lacing(second.length), first, second, third]);
  }

  /** How many samples come out of a packet (Vorbis I §1.3.2). */
  length(packet) {
    const mode = (packet[0] >> 1) & ((1 << this.modeBits) - 1);
    if (packet.length === 0 || (packet[0] & 1) === 1 || mode >= this.isLong.length) return 0;
    const size = this.sizes[this.isLong[mode] ? 1 : 0];
    const before = this.#before || size;
    this.#before = size;
    return (before + size) / 4;
  }
}

/**
 * Whether each mode has long blocks. The table stands at the end of the setup header, behind
 * others whose length nobody knows before reading them; so it is read backwards: a mode is 41
 * bits, of which 32 in the middle are zero, and their number stands before the first one
 * (Vorbis I §4.2.4).
 */
function modes(setup) {
  const bit = (at) => (setup[at >> 3] >> (at & 7)) & 1;
  const number = (at, n) => {
    let value = 0;
    for (let k = 0; k < n; k += 1) value |= bit(at + k) << k;
    return value;
  };
  let at = setup.length * 8 - 1;
  while (at > 0 && bit(at) === 0) at -= 1;
  const found = [];
  let fitting = null;
  while (found.length < 64 && at - 41 > 64) {
    const start = at - 41;
    if (number(start + 1, 16) !== 0 || number(start + 17, 16) !== 0) break;
    found.unshift(bit(start) === 1);
    at = start;
    if (number(at - 6, 6) + 1 === found.length) fitting = [...found];
  }
  if (fitting === null) throw new Error("the Vorbis setup header makes no sense");
  return fitting;
}

function lacing(length) {
  return [...new Array(Math.floor(length / 255)).fill(255), length % 255];
}

class Opus {
  static of(packet) {
    if (packet.length < 19 || packet[8] > 15 || packet[9] === 0) return null;
    const codec = new Opus();
    codec.channels = packet[9];
    codec.headers = [packet];
    return codec;
  }

  name = "opus";
  webmName = "A_OPUS";
  hertz = OPUS_HERTZ;

  header(packet) {
    if (!begins(packet, "OpusTags")) throw new Error("an Opus header is missing");
    this.headers.push(packet);
    return true;
  }

  get comments() {
    return comments(this.headers[1].subarray(8));
  }

  /** Without pre-skip: it would be cut out of the timeline, in which every packet has its place. */
  get private() {
    const head = this.headers[0].slice();
    head.fill(0, 10, 12);
    return head;
  }

  /** How many samples come out of a packet (RFC 6716 §3.1). */
  length(packet) {
    if (packet.length === 0) return 0;
    const config = packet[0] >> 3;
    const frame = config < 12 ? [480, 960, 1920, 2880][config & 3]
      : config < 16 ? [480, 960][config & 1]
      : [120, 240, 480, 960][config & 3];
    const code = packet[0] & 3;
    const count = code === 0 ? 1 : code < 3 ? 2 : (packet[1] ?? 0) & 63;
    return frame * count;
  }
}

/** `NAME=value` pairs; both codecs write them alike. Of several with one name the first counts. */
function comments(bytes) {
  const found = {};
  const view = viewOf(bytes);
  let at = 0;
  const text = () => {
    const length = at + 4 <= bytes.length ? view.getUint32(at, true) : Infinity;
    if (at + 4 + length > bytes.length) return null;
    at += 4 + length;
    return new TextDecoder().decode(bytes.subarray(at - length, at));
  };
  if (text() === null || at + 4 > bytes.length) return found;
  const count = Math.min(view.getUint32(at, true), 256);
  at += 4;
  for (let n = 0; n < count; n += 1) {
    const comment = text();
    if (comment === null) break;
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(comment) ?? [];
    if (name) found[name.toUpperCase()] ??= value;
  }
  return found;
}

/** All parts in one. */
export function concat(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
