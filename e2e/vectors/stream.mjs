// What engine.io-parser's streams, which WebTransport uses, make of packets and of bytes.

import { createPacketDecoderStream, createPacketEncoderStream } from "engine.io-parser";

import { described, packets } from "./engine.mjs";

// read returns the first count chunks of a stream, without waiting for more.
async function read(readable, count) {
  const reader = readable.getReader();
  const chunks = [];
  while (chunks.length < count) chunks.push((await reader.read()).value);
  return chunks;
}

/** encoded is the header and the payload that the encoder makes of a packet. */
async function encoded(packet) {
  const stream = createPacketEncoderStream();
  const chunks = read(stream.readable, 2);
  await stream.writable.getWriter().write(packet);
  return (await chunks).map((chunk) => Buffer.from(chunk));
}

/** decoded is what the decoder makes of one piece of a stream: all packets up to the first error. */
async function decoded(wire, limit) {
  const stream = createPacketDecoderStream(limit, "nodebuffer");
  const writer = stream.writable.getWriter();
  const written = writer.write(wire).then(() => writer.close());
  const out = [];
  for await (const packet of stream.readable) {
    out.push(described(packet));
    if (packet.type === "error") break;
  }
  await written.catch(() => {});
  return out;
}

// Packets too long to be written down: data is repeated.
const long = [
  ...[124, 125, 126, 127, 1000, 65_534, 65_535, 65_536, 100_000].map((times) => ({ type: "message", data: "x", times })),
  ...[125, 126, 127, 65_535, 65_536, 100_000].map((times) => ({ type: "message", data: Buffer.from([7]), times })),
];

const bytes = (...parts) => Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from([part].flat()))));
const repeat = (text, times) => text.repeat(times);

// Streams, and the limit of one packet.
const wires = [
  [bytes(1, "0"), 100],
  [bytes(1, "2", 1, "3"), 100],
  [bytes(6, "2probe", 1, "5"), 100],
  [bytes(0x82, [1, 2], 2, "4x"), 100],
  [bytes(16, '0{"sid":"xyzab"}'), 100],
  [bytes(3, "4é"), 100],
  [bytes(1, "b"), 100],
  [bytes(5, "bAQI="), 100],
  [bytes(1, "7"), 100],
  [bytes(1, "2", 1, "9", 1, "3"), 100],
  [bytes(1, "2", 0), 100],
  [bytes(0), 100],
  [bytes(0x80), 100],
  [bytes(1), 100],
  [bytes(100, repeat("4", 100)), 100],
  [bytes(101, repeat("4", 101)), 100],
  [bytes(126, [0, 126], repeat("4", 126)), 126],
  [bytes(126, [0, 127], repeat("4", 127)), 126],
  // Longer than need be.
  [bytes(126, [0, 2], "4x", 1, "2"), 1000],
  [bytes(254, [0, 2], [8, 9], 1, "2"), 1000],
  [bytes(127, [0, 0, 0, 0, 0, 0, 0, 2], "4x", 1, "2"), 1000],
  [bytes(255, [0, 0, 0, 0, 0, 0, 0, 2], [8, 9]), 1000],
  [bytes(126, [0, 0], 1, "2"), 1000],
  [bytes(127, [0, 0, 0, 0, 0, 0, 0, 0], 1, "2"), 1000],
  // At the end of what JavaScript can count.
  [bytes(127, [0, 0x1f, 255, 255, 255, 255, 255, 255]), 1000],
  [bytes(127, [0, 0x20, 0, 0, 0, 0, 0, 0]), 1000],
  [bytes(127, [255, 255, 255, 255, 255, 255, 255, 255]), 1000],
];

export async function streamVectors() {
  const encode = [];
  for (const packet of packets) {
    const [header, payload] = await encoded(packet);
    encode.push({ packet: described(packet), header: header.toString("base64"), payload: payload.toString("base64") });
  }
  for (const { type, data, times } of long) {
    const whole = typeof data === "string" ? repeat(data, times) : Buffer.alloc(times, data);
    const [header, payload] = await encoded({ type, data: whole });
    encode.push({ packet: described({ type, data }), times, header: header.toString("base64"), length: payload.length });
  }
  const decode = [];
  for (const [wire, limit] of wires) {
    decode.push({ wire: wire.toString("base64"), limit, packets: await decoded(wire, limit) });
  }
  return { encode, decode };
}
