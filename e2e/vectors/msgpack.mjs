// What socket.io-msgpack-parser makes of packets.

import { createRequire } from "node:module";

import parser from "socket.io-msgpack-parser";

const require = createRequire(import.meta.url);
const notepack = createRequire(require.resolve("socket.io-msgpack-parser"))("notepack.io");

const { CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR } = parser.PacketType;
const bytes = (...list) => Buffer.from(list);

function decoded(message) {
  const decoder = new parser.Decoder();
  let packet;
  decoder.on("decoded", (p) => (packet = p));
  try {
    decoder.add(message);
  } catch {
    return null;
  }
  return packet;
}

// plain is what JSON makes of a decoded value, with {$binary: base64} for a binary one.
function plain(value) {
  if (value instanceof ArrayBuffer) value = Buffer.from(value);
  if (Buffer.isBuffer(value)) return { $binary: value.toString("base64") };
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object" || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
}

function described(packet) {
  if (packet === null) return null;
  const { type, nsp, id, data } = packet;
  return { type, nsp, id, data: data === undefined ? undefined : JSON.stringify(plain(data)) };
}

// sent: packets as the client writes them, with their keys in its order.
const event = (...data) => ({ type: EVENT, data, options: { compress: true }, nsp: "/" });
const long = (n) => "x".repeat(n);
const sent = [
  { type: CONNECT, data: undefined, nsp: "/" },
  { type: CONNECT, data: { token: "x" }, nsp: "/chat" },
  { type: CONNECT, data: { pid: "p", offset: "o", user: { a: [1, null] } }, nsp: "/" },
  { type: DISCONNECT, nsp: "/chat" },
  { type: CONNECT_ERROR, nsp: "/", data: "no" },
  { type: CONNECT_ERROR, nsp: "/", data: { message: "no" } },
  { type: EVENT, data: ["hi"], options: { compress: true }, id: 0, nsp: "/" },
  { type: EVENT, data: ["hi"], options: {}, id: 9007199254740991, nsp: "/chat" },
  { type: ACK, id: 7, data: ["ok", bytes(1, 2)], nsp: "/chat" },
  { id: 65536, nsp: "/", data: [], type: ACK },
  event("connect", 1),
  event(7, "numeric name"),
  event(-1.5),
  event("numbers", 0, 1, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, 2 ** 53, -1, -32, -33, -128, -129, -32768, -32769, -2147483648, -2147483649, -(2 ** 53)),
  event("floats", 0.1, -0.5, 1.5e300, 5e-324, 1e-7, 1e-6, 123456789.125, Number.MAX_VALUE, NaN, Infinity, -Infinity, -0),
  event("constants", null, true, false, undefined, [undefined], { a: undefined, b: 1 }),
  event("strings", "", long(31), long(32), long(255), long(256), 'é€😀"\\/\b\f\n\r\t\0\u001f\u007f\u2028<&>'),
  event("arrays", [], Array(15).fill(1), Array(16).fill(1), [[[]]]),
  event("maps", {}, { "": 1, __proto__x: 2, 'q"': { num: 0 } }, Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`k${i}`, i]))),
  event("dates", new Date(0), new Date(1700000000123), new Date(-1), new Date(-62198755200001), new Date(253402300800000), new Date(8.64e15), new Date(-8.64e15)),
  event("binaries", bytes(), bytes(1, 2, 3), Buffer.alloc(255, 1), Buffer.alloc(256, 2), { a: [bytes(4)] }),
  event("typed", new Uint8Array([1, 2]).buffer, new Uint16Array([258, 3]), new ArrayBuffer(300), new ArrayBuffer(0)),
  event("lookalike", { _placeholder: true, num: 0 }),
];

// raw: messages in hexadecimal that no JavaScript encoder writes and that both sides take. T is a type, N a namespace.
const hex = (text) => Buffer.from(text, "utf8").toString("hex");
const key = (text) => (0xa0 | text.length).toString(16) + hex(text);
const [T, N, D, I] = ["type", "nsp", "data", "id"].map(key);
const root = N + key("/");
const wrapped = (data) => "83" + T + "02" + root + D + data;
const raw = [
  "de0003" + T + "02" + root + D + "91" + key("a"), // longer headers than needed
  "df00000003" + "d90474797065" + "cc02" + "da00036e7370" + "db000000012f" + "db0000000464617461" + "dd00000001" + key("a"),
  "83" + T + "cd0002" + root + D + "91" + key("a"),
  "83" + T + "cb4000000000000000" + root + D + "91" + key("a"), // whole floats
  "84" + T + "ca40400000" + root + D + "90" + I + "cb4014000000000000",
  "84" + T + "d003" + root + D + "90" + I + "d300000000000000ff",
  "85" + T + "07" + T + "02" + root + D + "90" + D + "91" + key("a"), // equal keys
  "84" + T + "03" + root + D + "90" + I + "d40000", // undefined
  "84" + T + "01" + root + D + "d40000" + I + "05",
  "86" + "01" + "02" + "c0" + "c0" + "9101" + "9101" + T + "02" + root + D + "91" + key("a"), // keys that mean nothing
  wrapped("92" + key("a") + "82" + "05" + "01" + key("b") + "02"), // keys that are numbers
  wrapped("92" + key("a") + "83" + "ff" + "01" + "cb3ff8000000000000" + "02" + "cd1000" + "03"),
  wrapped("92" + "a3" + "61ff62" + "a2" + "c3a9"), // not UTF-8
  wrapped("94" + key("a") + "d40501" + "d505ffff" + "d7ff0000000000000001"), // extensions
  wrapped("95" + key("a") + "d5000102" + "d60001020304" + "d800" + "00".repeat(16) + "c7020503" + "04"),
  wrapped("92" + key("a") + "d70000000000deadbeef"),
  wrapped("92" + key("a") + "d7007fffffffffffffff"), // a date out of range
  wrapped("93" + key("a") + "ca3fc00000" + "ca7fc00000"),
  wrapped("91" + "cb3ff8000000000000"),
];

// invalid: both sides refuse these.
const invalid = [
  "", "c0", "90", "a0", "01", "80", "c1", "ff", "c40100", "d40000",
  ..."c0 c3 a0 90 80 05 06 ff cd0100 cb3ff8000000000000 cb7ff8000000000000 c40102 d40000 a132 cc05".split(" ").map((type) => "83" + T + type + root + D + "91" + key("a")),
  "82" + root + D + "91" + key("a"), "82" + T + "02" + D + "91" + key("a"), "82" + T + "02" + root,
  ..."c0 02 c3 90 80 c4012f d40000".split(" ").map((nsp) => "83" + T + "02" + N + nsp + D + "91" + key("a")),
  ..."c0 02 a0 80 c3 d40000 c40101".split(" ").map(wrapped),
  ..."c0 02 a0 80 c3 c40101".split(" ").map((data) => "83" + T + "03" + root + D + data),
  ..."c0 02 a0 90 c3 d70000000000deadbeef".split(" ").map((data) => "83" + T + "00" + root + D + data),
  ..."c0 02 80 90".split(" ").map((data) => "83" + T + "01" + root + D + data),
  ..."c0 02 90 d40000 c3".split(" ").map((data) => "83" + T + "04" + root + D + data), "82" + T + "04" + root,
  ..."c0 c3 a0 a131 90 80 cb3ff8000000000000 cb7ff0000000000000".split(" ").map((id) => "84" + T + "02" + root + D + "91" + key("a") + I + id),
  wrapped("91" + key("a")) + "c0", wrapped("91" + "a261"), wrapped("92" + key("a")), wrapped("91c1"), wrapped("ddffffffff"), wrapped("91dfffffffff"), wrapped("91dbffffffff61"),
  wrapped("91c6ffffffff"), wrapped("91c9ffffffff0001"),
];

// stricter: the reference takes these; the Go side refuses them, for the reason its documentation gives.
const named = (nsp) => "83" + T + "02" + N + key(nsp) + D + "91" + key("a");
const stricter = [
  wrapped("90"), ..."c0 c3 c2 90 80 d40000 c40101 d7000000000000000000 d40501 cb7ff8000000000000 cb7ff0000000000000".split(" ").map((name) => wrapped("91" + name)),
  named(""), named("chat"), named("/a,b"), named("?"),
  ..."ff d0ff d3ffffffffffffffff cf0020000000000000 cbbff0000000000000 cb4340000000000000".split(" ").map((id) => "84" + T + "02" + root + D + "91" + key("a") + I + id),
  ..."c0 c3 9161 80 c40161 d40501 cb7ff8000000000000 d40000".split(" ").map((k) => wrapped("92" + key("a") + "81" + k + "01")),
  wrapped("93" + key("a") + "c40101" + "82" + key("_placeholder") + "c3" + key("num") + "00"),
  "83" + T + "00" + root + D + "81" + key("a") + "c40101", "83" + T + "04" + root + D + "81" + key("a") + "c70000",
];

// mutated: each message is cut everywhere, and each of its bytes replaced by each of these.
const alphabet = "00027f8081909295a0a1bfc0c1c2c3c4c5c7cacbcccfd0d3d4d5d7d8d9dadcdddedfe0ff";
const mutated = [
  { type: EVENT, data: ["a", { b: [1, -2, 1.5, null], c: true }, bytes(9)], options: {}, id: 300, nsp: "/a" },
  { type: CONNECT, data: { k: "v" }, nsp: "/" },
  { type: ACK, id: 1, data: [new Date(0), undefined], nsp: "/" },
].map((packet) => notepack.encode(packet));

function verdicts(message) {
  const bit = (m) => (decoded(m) === null ? "0" : "1");
  const letters = [...Buffer.from(alphabet, "hex")];
  const replaced = (i) => letters.map((b) => bit(Buffer.concat([message.subarray(0, i), bytes(b), message.subarray(i + 1)]))).join("");
  return {
    message: message.toString("hex"),
    prefixes: Array.from(message, (_, i) => bit(message.subarray(0, i))).join(""),
    replaced: Array.from(message, (_, i) => replaced(i)),
  };
}

// encodings: what is given to the encoder, with the keys in the order that the server has. Of what the server writes only
// the members that are undefined are missing, which a client reads the same. Whole numbers from 2^64 are not among them: the
// encoder writes 0 for 1e300.
const encodings = [
  { type: CONNECT, data: { sid: "abcdefghijklmnopqrst" }, nsp: "/" },
  { type: CONNECT, data: { sid: "abcdefghijklmnopqrst", pid: "tsrqponmlkjihgfedcba" }, nsp: "/chat" },
  { type: CONNECT_ERROR, data: { message: "Invalid namespace" }, nsp: "/nope" },
  { type: CONNECT_ERROR, data: { message: 'no "é"', data: { code: [1, "x"] } }, nsp: "/" },
  { type: DISCONNECT, nsp: "/" },
  { type: DISCONNECT, nsp: "/" + long(254) },
  { type: EVENT, data: ["hi"], nsp: "/" },
  { type: EVENT, data: ["hi", 1, "a", null, { a: [true, false] }], nsp: "/", id: 0 },
  { type: EVENT, data: ["hi", []], nsp: "/chat", id: 9007199254740991 },
  { type: EVENT, data: ["numbers", 0, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, 2 ** 53, -1, -32, -33, -128, -129, -32768, -32769, -2147483648, -2147483649, -(2 ** 53)], nsp: "/" },
  { type: EVENT, data: ["floats", 0.1, -0.5, 5e-324, 1e-7, 123456789.125], nsp: "/" },
  { type: EVENT, data: ["strings", "", long(31), long(32), long(255), long(256), 'é€😀"\\/\b\f\n\r\t\0\u001f\u007f\u2028<&>'], nsp: "/" },
  { type: EVENT, data: ["arrays", [], Array(15).fill(1), Array(16).fill([Array(17).fill("é\n")]), [[Array(300).fill(0)]]], nsp: "/" },
  { type: EVENT, data: Array.from({ length: 40 }, (_, i) => (i ? { i, "\n": [i] } : "many")), nsp: "/" },
  { type: EVENT, data: ["maps", {}, Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, { i }]))], nsp: "/" },
  { type: EVENT, data: ["pics", { b: [bytes(1)], a: bytes() }, Buffer.alloc(256, 7)], nsp: "/chat", id: 7 },
  { id: 0, type: ACK, data: [], nsp: "/" },
  { id: 12, type: ACK, data: ["ok", { a: bytes(9) }], nsp: "/chat" },
];

// numbered writes placeholders for buffers in order of appearance.
function numbered(list) {
  return (_key, value) => {
    if (value?.type !== "Buffer" || !Array.isArray(value.data)) return value;
    list.push(Buffer.from(value.data).toString("base64"));
    return { _placeholder: true, num: list.length - 1 };
  };
}

function encoding(packet) {
  const [message] = new parser.Encoder().encode(packet);
  const { type, nsp, id } = packet;
  const attachments = [];
  const data = packet.data === undefined ? undefined : JSON.stringify(packet.data, numbered(attachments));
  return { type, nsp, id, data, attachments, message: message.toString("base64") };
}

function expect(verdict, messages) {
  for (const message of messages) {
    if ((decoded(message) !== null) !== verdict) throw new Error(`the parser's verdict on ${message.toString("hex")} is not ${verdict}`);
  }
}

export function msgpackVectors() {
  const buffers = (list) => list.map((text) => Buffer.from(text, "hex"));
  const valid = [...sent.map((packet) => new parser.Encoder().encode(packet)[0]), ...buffers(raw)];
  expect(true, valid);
  expect(false, buffers(invalid));
  expect(true, buffers(stricter));
  return {
    decode: valid.map((message) => ({ message: message.toString("base64"), packet: described(decoded(message)) })),
    invalid,
    stricter,
    alphabet,
    mutated: mutated.map(verdicts),
    encode: encodings.map(encoding),
  };
}
