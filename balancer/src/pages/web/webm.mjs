// Writes WebM for MediaSource: a beginning for each link, and clusters of packets.

import { concat } from "./codec.mjs";

const TRACK = 1;
/** Times in a cluster are signed 16-bit milliseconds from its beginning. */
const CLUSTER_MS_MAX = 30_000;

/** What MediaSource is to be asked for. */
export function mime(codec) {
  return `audio/webm; codecs="${codec.name}"`;
}

/** The initialization segment for a codec with all its headers. */
export function beginning(codec) {
  const head = element(0x1a45dfa3, [
    element(0x4286, number(1)),
    element(0x42f7, number(1)),
    element(0x42f2, number(4)),
    element(0x42f3, number(8)),
    element(0x4282, text("webm")),
    element(0x4287, number(4)),
    element(0x4285, number(2)),
  ]);
  const info = element(0x1549a966, [
    element(0x2ad7b1, number(1_000_000)),
    element(0x4d80, text("Plenum")),
    element(0x5741, text("Plenum")),
  ]);
  const track = element(0xae, [
    element(0xd7, number(TRACK)),
    element(0x73c5, number(TRACK)),
    element(0x9c, number(0)),
    element(0x83, number(2)),
    element(0x86, text(codec.webmName)),
    ...(codec.name === "opus" ? [element(0x56bb, number(80_000_000))] : []),
    element(0xe1, [element(0xb5, float(codec.hertz)), element(0x9f, number(codec.channels))]),
    element(0x63a2, codec.private),
  ]);
  // A segment that never ends.
  const segment = [0x18, 0x53, 0x80, 0x67, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
  return concat([head, segment, info, element(0x1654ae6b, [track])]);
}

/** Clusters with these packets: `{ packet, at, length }`, times in seconds. */
export function clusters(frames) {
  const parts = [];
  let [begin, blocks] = [null, []];
  const close = () => {
    if (blocks.length > 0) parts.push(element(0x1f43b675, [element(0xe7, number(begin)), ...blocks]));
    blocks = [];
  };
  frames.forEach((frame, n) => {
    const at = milliseconds(frame.at);
    if (begin === null || at - begin > CLUSTER_MS_MAX) {
      close();
      begin = at;
    }
    blocks.push(block(frame, at - begin, n === frames.length - 1));
  });
  close();
  return concat(parts);
}

/** The last one of a cluster says how long it is: its successor is not there to tell. */
function block({ packet, at, length }, offset, isLast) {
  const flags = isLast ? 0 : 0x80;
  const body = concat([[0x80 | TRACK, (offset >> 8) & 255, offset & 255, flags], packet]);
  if (!isLast) return element(0xa3, body);
  const lasts = Math.max(1, milliseconds(at + length) - milliseconds(at));
  return element(0xa0, [element(0xa1, body), element(0x9b, number(lasts))]);
}

function milliseconds(seconds) {
  return Math.round(seconds * 1000);
}

function element(id, content) {
  const body = content instanceof Uint8Array ? content : concat(content);
  return concat([bytes(id), size(body.length), body]);
}

/** Eight bytes of length: nobody saves any by counting. */
function size(length) {
  const whole = new Uint8Array(8);
  const view = new DataView(whole.buffer);
  view.setUint32(0, 0x0100_0000 | Math.floor(length / 2 ** 32));
  view.setUint32(4, length >>> 0);
  return whole;
}

function bytes(value) {
  const found = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) found.unshift(rest % 256);
  return found;
}

function number(value) {
  return Uint8Array.from(value === 0 ? [0] : bytes(value));
}

function float(value) {
  const whole = new Uint8Array(8);
  new DataView(whole.buffer).setFloat64(0, value);
  return whole;
}

function text(value) {
  return new TextEncoder().encode(value);
}
