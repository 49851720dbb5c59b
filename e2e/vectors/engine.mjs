// What engine.io-parser makes of packets and polling payloads.

import { decodePacket, decodePayload, encodePacket, encodePayload } from "engine.io-parser";

const typeDigit = { open: "0", close: "1", ping: "2", pong: "3", message: "4", upgrade: "5", noop: "6" };

/** described is a packet in the form of the vectors: {type, data} or {type, binary: base64}, or null for an error. */
export function described(packet) {
  if (packet.type === "error") return null;
  const type = typeDigit[packet.type];
  if (Buffer.isBuffer(packet.data)) return { type, binary: packet.data.toString("base64") };
  return { type, data: packet.data ?? "" };
}

function encoded(packet, supportsBinary) {
  let out;
  encodePacket(packet, supportsBinary, (text) => (out = text));
  return out;
}

function payload(packets) {
  let out;
  encodePayload(packets, (text) => (out = text));
  return out;
}

export const packets = [
  { type: "open", data: '{"sid":"x"}' },
  { type: "close" },
  { type: "ping" },
  { type: "ping", data: "probe" },
  { type: "pong" },
  { type: "pong", data: "probe" },
  { type: "message", data: "" },
  { type: "message", data: "hello" },
  { type: "message", data: "4" },
  { type: "message", data: "b" },
  { type: "message", data: "€ 😀 \u2028 é" },
  { type: "upgrade" },
  { type: "noop" },
  { type: "message", data: Buffer.from([]) },
  { type: "message", data: Buffer.from([0]) },
  { type: "message", data: Buffer.from([1, 2]) },
  { type: "message", data: Buffer.from([1, 2, 3]) },
  { type: "message", data: Buffer.from([251, 255, 254, 0x1e]) },
];

const texts = [
  "", "0", "1", "2", "3", "4", "5", "6", "7", "9", "a", "b", "c", "/", ":", " ", "-1", "40", "44", "4 ", "4\n",
  "2probe", "3probe", "5x", "b", "bAA==", "bAQI=", "bAQID", "bAQIDBA==", "bAQIDBA", "b+//+", "é", "\u0000",
];

const bodies = [
  "", "4", "4hello", "4a\x1e4b", "4a\x1e", "\x1e4a", "4a\x1e\x1e4b", "2\x1e3\x1e4é", "4a\x1ebAQIDBA==\x1e4b",
  "4a\x1e7\x1e4b", "4a\x1eabc\x1e4b", "1", "4a\x1e1", "6\x1e4", "4\x1e4\x1e4", "\x1e", "4[1,2]\x1e4{\"a\":\"\u2028\"}",
];

export function engineVectors() {
  return {
    decode: texts.map((text) => ({ text, packet: described(decodePacket(text, "nodebuffer")) })),
    encode: packets.map((packet) => ({ packet: described(packet), text: encoded(packet, false) })),
    decodePayload: bodies.map((body) => ({ body, packets: decodePayload(body, "nodebuffer").map(described) })),
    encodePayload: [packets, packets.slice(7, 9), packets.slice(1, 2)].map((list) => ({
      packets: list.map(described),
      body: payload(list),
    })),
  };
}
