// What the parsers of clients 1.x and 2.x write, what the server's parser makes of it, and what they make of its answers.

import { createRequire } from "node:module";

import { Decoder, Encoder, PacketType } from "socket.io-parser";

const require = createRequire(import.meta.url);
const clients = [require("socket.io-parser-v2"), require("socket.io-parser-v3")];

// sent: packets of a client. Namespaces have the query strings that such a client puts there.
const sent = [
  { type: PacketType.CONNECT, nsp: "/chat" },
  { type: PacketType.CONNECT, nsp: "/chat?token=abc" },
  { type: PacketType.CONNECT, nsp: "/chat?a=1&b=x%20y&a=2" },
  { type: PacketType.CONNECT, nsp: "/chat?" },
  { type: PacketType.CONNECT, nsp: "/chat?a=/b?c=d" },
  { type: PacketType.DISCONNECT, nsp: "/" },
  { type: PacketType.DISCONNECT, nsp: "/chat" },
  { type: PacketType.EVENT, nsp: "/", data: ["hi", 1, { a: [null, "é"] }] },
  { type: PacketType.EVENT, nsp: "/chat", data: ["hi"], id: 0 },
  { type: PacketType.ACK, nsp: "/", data: [], id: 12 },
  { type: PacketType.ACK, nsp: "/chat", data: ["ok"], id: 3 },
  { type: PacketType.BINARY_EVENT, nsp: "/", data: ["pic", Buffer.from([1, 2])] },
  { type: PacketType.BINARY_EVENT, nsp: "/chat", data: ["pic", { a: Buffer.from([1]), b: [Buffer.from([2])] }], id: 7 },
  { type: PacketType.BINARY_ACK, nsp: "/", data: [Buffer.from([3])], id: 0 },
];

// answers: packets of the server.
const answers = [
  { type: PacketType.CONNECT, nsp: "/" },
  { type: PacketType.CONNECT, nsp: "/chat" },
  { type: PacketType.CONNECT_ERROR, nsp: "/nope", data: { message: "Invalid namespace" } },
  { type: PacketType.CONNECT_ERROR, nsp: "/", data: "not authorized" },
  { type: PacketType.CONNECT_ERROR, nsp: "/chat", data: 'no "é" <b>\n' },
  { type: PacketType.CONNECT_ERROR, nsp: "/chat", data: { code: [1, "x"] } },
  { type: PacketType.CONNECT_ERROR, nsp: "/", data: [1] },
];

function clone(value) {
  if (Buffer.isBuffer(value) || value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(clone);
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, clone(v)]));
}

function read(decoder, [text, ...attachments]) {
  let packet;
  decoder.on("decoded", (p) => (packet = p));
  decoder.add(text);
  for (const attachment of attachments) decoder.add(attachment);
  if (packet === undefined) throw new Error(`${text} is no packet`);
  return packet;
}

function attachment(_key, value) {
  if (value?.type === "Buffer" && Array.isArray(value.data)) {
    return { $binary: Buffer.from(value.data).toString("base64") };
  }
  return value;
}

const stringified = (data) => (data === undefined ? undefined : JSON.stringify(data, attachment));

// split is what the server makes of a namespace of such a client.
function split(namespace) {
  const url = new URL(namespace, "https://socket.io");
  return { name: url.pathname, auth: Object.fromEntries(url.searchParams.entries()) };
}

function written(client, packet) {
  let messages;
  new client.Encoder().encode(clone(packet), (list) => (messages = list));
  const { type, nsp, id, data } = read(new Decoder(), messages);
  const [text, ...attachments] = messages;
  return {
    text,
    attachments: attachments.map((b) => b.toString("base64")),
    packet: { type, nsp, id, data: stringified(data) },
    ...split(nsp),
  };
}

function answered(packet) {
  const messages = new Encoder().encode(clone(packet));
  for (const client of clients) {
    const { type, nsp, data } = read(new client.Decoder(), messages);
    const same = type === packet.type && nsp === packet.nsp && stringified(data) === stringified(packet.data);
    if (!same) throw new Error(`a client reads ${messages[0]} as ${stringified({ type, nsp, data })}`);
  }
  return { type: packet.type, nsp: packet.nsp, data: stringified(packet.data), text: messages[0] };
}

// queries: namespaces whose query strings are read as URLSearchParams reads them.
const queries = [
  "/chat", "/", "/?", "/?a", "/?a=", "/?=b", "/?=", "/?&&a=1&", "/?a=1&a=2&b=3&a=4", "/?a=b=c", "/?a+b=c+d%2B", "/?%61=%e9%C3%A9", "/?a=%", "/?a=%4", "/?a=%zz%+1",
  "/?a=%22%5C%00%0A", "/?a=é", "/?__proto__=x&constructor=y", "/c?a=1#b=2", "/c#?a=1", "/?a=1;b=2", "/?a=%F0%9F%98%80", "/?a[]=1&a[]=2", "/c?t=ey.a_b-c",
];

export function clientVectors() {
  return {
    sent: clients.flatMap((client) => sent.map((packet) => written(client, packet))),
    answers: answers.map(answered),
    queries: queries.map((nsp) => ({ nsp, ...split(nsp) })),
  };
}
