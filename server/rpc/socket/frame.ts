import type { Frame, Tail } from './tail.ts';

/**
 * Above this many bytes the shared JSON is written by reference. Below, one copy into one buffer and one write are cheaper
 * than a gathered write of two.
 */
const copied = 4096;

const text = 0x81;
const binary = 0x82;

/**
 * One subscriber's data message as a frame. Subscribers whose request ids are the same, as those of clients that make one
 * subscription are, share it: then a write is all that a further subscriber costs. Never written to.
 */
export function frameOf(head: string, tail: Tail): Frame {
  const { shared } = tail;
  if (shared?.head !== head) {
    tail.shared = { head, frame: undefined };
    return make(head, tail);
  }
  shared.frame ??= make(head, tail);
  return shared.frame;
}

/**
 * An unmasked, unfragmented WebSocket frame (RFC 6455, section 5.2): the first buffer belongs to the head, the others are
 * those of the tail. `head` is the JSON up to and including the request id, in ASCII.
 */
function make(head: string, tail: Tail): Frame {
  const prefix = tail.bytes.length > 0 ? 4 : 0;
  const json = head.length + tail.json.length;
  const payload = prefix + json + tail.byteLength;
  const header = payload < 126 ? 2 : payload < 65_536 ? 4 : 10;
  const isCopied = json <= copied;
  const own = Buffer.allocUnsafe(header + prefix + (isCopied ? json : head.length));
  own[0] = prefix ? binary : text;
  if (header === 2) own[1] = payload;
  else if (header === 4) {
    own[1] = 126;
    own.writeUInt16BE(payload, 2);
  } else {
    own[1] = 127;
    own.writeUInt32BE(0, 2);
    own.writeUInt32BE(payload, 6);
  }
  if (prefix) own.writeUInt32BE(json, header);
  own.write(head, header + prefix, 'latin1');
  if (!isCopied) return [own, tail.json, ...tail.bytes];
  own.set(tail.json, header + prefix + head.length);
  return [own, ...tail.bytes];
}
