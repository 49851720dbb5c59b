// What engine.io-parser 2.x makes of packets and polling payloads of revision 3, and engine.io of JSONP.

import { transports } from "engine.io";
import parser from "engine.io-parser-v3";

const typeDigit = { open: "0", close: "1", ping: "2", pong: "3", message: "4", upgrade: "5", noop: "6" };

// described is a packet in the form of the vectors: {type, data} or {type, binary: base64}; null for an error, and the
// type "" for a packet of no known type, which the reference server drops without a word.
function described(packet) {
  if (packet.type === "error") return null;
  const type = typeDigit[packet.type] ?? "";
  if (Buffer.isBuffer(packet.data)) return { type, binary: packet.data.toString("base64") };
  return { type, data: packet.data ?? "" };
}

// onWire is text as it arrives: UTF-8 has no lone surrogates.
const onWire = (text) => Buffer.from(text, "utf8").toString("utf8");
const base64 = (data) => Buffer.from(data, "latin1").toString("base64");

// called returns what f hands to its callback, a list of the first arguments.
function called(f) {
  const out = [];
  f((first) => void out.push(first));
  return out;
}

const encodedText = (packet) => onWire(called((done) => parser.encodePacket(packet, false, done))[0]);
const encodedBinary = (packet) => called((done) => parser.encodePacket(packet, true, done))[0].toString("base64");

const packets = [
  { type: "open", data: '{"sid":"x"}' },
  { type: "close" },
  { type: "ping" },
  { type: "ping", data: "probe" },
  { type: "pong" },
  { type: "pong", data: "probe" },
  { type: "message", data: "" },
  { type: "message", data: "hello" },
  { type: "message", data: "4:" },
  { type: "message", data: "b" },
  { type: "message", data: "Grüße, €" },
  { type: "message", data: "😀 and 𝄞 and 👩‍👩‍👧" },
  { type: "message", data: "lines\u2028and\u2029paragraphs" },
  { type: "message", data: "a lone \ud800 half" },
  { type: "message", data: "\udc00 another" },
  { type: "message", data: "long enough for eight at a time, then é, then more of it: 😀 done" },
  { type: "upgrade" },
  { type: "noop" },
  { type: "message", data: Buffer.from([]) },
  { type: "message", data: Buffer.from([0]) },
  { type: "message", data: Buffer.from([1, 2]) },
  { type: "message", data: Buffer.from([1, 2, 3, 4]) },
  { type: "message", data: Buffer.from([251, 255, 254, 0x1e]) },
  { type: "message", data: Buffer.alloc(1000, 7) },
];

const texts = [
  "", "0", "1", "2", "3", "4", "5", "6", "7", "9", "a", "c", "/", ":", " ", "-1", "40", "4 ", "4\n", "2probe", "3probe",
  "é", "\u0000", "4é😀\u2028", "b", "b4", "b4AA==", "b4AQI=", "b4AQID", "b4AQIDBA==", "b4AQIDBA", "b4+//+", "b2", "b6AQ==",
  "b7AQ==", "bAQID", "bb", "b ",
];

const frames = ["", "\x00", "\x04", "\x04\x01\x02\xff", "\x02", "\x02probe", "\x06", "\x07", "4hello", "b4AQID", "\xff"];

const bodies = [
  "", "0:", "0:0:", "1:4", "6:4hello", "6:4hello1:2", "6:4hello0:1:2", "1:6", "01:4", "001:4", "3:4é!", "2:4é", "3:4😀",
  "4:4😀!3:4😀", "2:4\ufffd", "10:b4AQIDBA==", "10:b4AQIDBA==6:4hello", "3:4a\u20282:4b", "3:4:1",
  "4", ":", ":4", "1", "1:", "2:4", "3:4😀1", "2:4é1:2:", "1:7", "1:41:7", "1:41:71:4", "6:4hellox", "6:4hello1", "a:4",
  "-1:4", "1a:4", " 1:4", "1 :4", "1.0:4", "0x1:4", "1e0:4", "+1:4", "NaN:4", "Infinity:4", "99999999999999999999:4",
  "2:b41:2", "1:b", "5:b4AA=1:4", "4:b7AQ", "2:4😀", "1:1", "2:4a1:12:4b",
  "70:4long enough for eight at a time, then é, then more of it: 😀 the end!!!",
];

const binaryBodies = [
  "", "\x00\x01\xff4", "\x00\x06\xff4hello", "\x01\x01\xff\x04", "\x01\x05\xff\x04\x01\x02\x03\x04",
  "\x00\x06\xff4hello\x01\x03\xff\x04\xff\x00\x00\x01\xff2", "\x00\x00\x01\xff4", "\x00\x01\x00\xff4123456789",
  "\x00\x03\xff4\xc3\xa9", "\x00\x05\xff4\xf0\x9f\x98\x80", "\x00\x04\xff4\xe2\x80\xa8", "\x00\x05\xff4a\xed\xa0\x80",
  "\x00\x07\xff4\xed\xb0\x80\xed\xa0\x80", "\x00\x08\xffb4AQIDBA", "\x00\x06\xffb4AQID\x00\x01\xff4",
  "\x00", "\x00\x01", "\x01", "\x00\x01\xff", "\x01\x01\xff", "\x00\xff", "\x00\xff4", "\x00\x00\xff", "\x01\x00\xff",
  "\x00\x02\xff4", "\x01\x09\xff\x04", "\x02\x01\xff\x04", "\x34\x01\xff\x04", "\x00\x0a\xff4", "\x00\x01\xff7",
  "\x00\x01\xff4\x00\x01\xff7\x00\x01\xff4", "\x01\x01\xff\x07", "\x00\x02\xff4\xff", "\x00\x03\xff4\xc3(",
  "\x00\x05\xff4\xf8\x88\x80\x80", "\x00\x03\xff4\xc0\x80", "\x00\x05\xff4\xf4\x90\x80\x80", "\x00\x02\xff4\xe2", "4hello",
  "\x00" + "\x00".repeat(300) + "\x01\xff4", "\x00" + "\x09".repeat(320), "\x00" + "\x00".repeat(320) + "\x01\xff4",
];

// answered is the answer to a JSONP poll.
function answered(j, payload) {
  const polling = transports.polling({ _query: { j, EIO: "3" } });
  let body;
  polling.req = { headers: {} };
  polling.res = { writeHead() {}, end: (data) => (body = data) };
  polling.doWrite(payload, {}, () => {});
  return onWire(body);
}

// posted is the payload in a JSONP form, or null if the server reads none.
function posted(form) {
  const polling = transports.polling({ _query: { j: "0", EIO: "3" } });
  let payload = null;
  polling.parser = { decodePayload: (data) => (payload = data) };
  polling.onData(form);
  return payload;
}

// area is what a browser posts for a payload, as engine.io-client fills its text area and a form encodes it.
function area(payload) {
  const value = payload.replace(/\\n/g, "\\\n").replace(/\n/g, "\\n");
  return new URLSearchParams([["d", value]]).toString();
}

const indexes = ["0", "12", "0;alert(1)//", "a1b2", "", "x", "-1", "1e3", "٣", "]=1;[0"];

const payloads = [
  "", "1:6", '9:42["a"]', "a\\b", "tab\tnew\nreturn\rbell\u0007feed\f\b", "\u0000\u001f\u007f", "</script><!--&'",
  "\u2028\u2029\u2027\u202a", "é€😀", "a lone \ud800 half",
];

const forms = [
  "d=1%3A2", "d=1:2", "d=", "d", "", "x=1", "x=1&d=1%3A2&y=2", "d=1&d=2", "%64=1:2", "D=1", "dd=1", "&&d=1&", "=1&d=2",
  "d=a+b%2Bc", "d=a=b", "d=%zz", "d=%", "d=%4", "d=%41%4", "d=%e2%82%ac", "d=%C3%A9", "d=\u00e9", "d=%25", "d=a;b",
  "d=a%5Cnb", "d=a\\nb", "d=a%5C%5Cnb", "d=a%5C%5C%5Cnb", "d=a%5C%5C%5C%5Cnb", "d=a%5C%5C", "d=n", "d=%5C", "d=%5Cn%5Cn",
  "d=%5C%5Cn%5Cn", "d=a%0Ab", "d=a%0D%0Ab", "d=%5C%0An", "d=%5Cx%5Cn", "__proto__=1&d=1:2",
  ...["a\nb", "a\\nb", "a\\\\nb", "\\\n\\n\n", '9:42["\\n"]', "é😀\u2028 +&=%"].map(area),
];

export function revision3Vectors() {
  const binary = packets.filter((packet) => Buffer.isBuffer(packet.data));
  const lists = [packets, packets.slice(7, 9), packets.slice(1, 2), binary];
  return {
    decode: texts.map((text) => ({ text, packet: described(parser.decodePacket(text)) })),
    decodeBinary: frames.map((frame) => ({
      frame: base64(frame),
      packet: described(parser.decodePacket(Buffer.from(frame, "latin1"))),
    })),
    encode: packets.map((packet) => ({ packet: described(packet), text: encodedText(packet) })),
    encodeBinary: binary.map((packet) => ({ packet: described(packet), frame: encodedBinary(packet) })),
    decodePayload: bodies.map((body) => ({
      body,
      packets: called((each) => parser.decodePayload(body, each)).map(described),
    })),
    decodeBinaryPayload: binaryBodies.map((body) => ({
      body: base64(body),
      packets: called((each) => parser.decodePayload(Buffer.from(body, "latin1"), each)).map(described),
    })),
    encodePayload: lists.map((list) => ({
      packets: list.map(described),
      body: onWire(called((done) => parser.encodePayload(list, false, done))[0]),
    })),
    encodeBinaryPayload: lists.map((list) => ({
      packets: list.map(described),
      body: called((done) => parser.encodePayloadAsBinary(list, done))[0].toString("base64"),
    })),
    jsonpAnswer: [
      ...indexes.map((index) => ({ index, payload: "1:6", body: answered(index, "1:6") })),
      ...payloads.map((payload) => ({ index: "3", payload: onWire(payload), body: answered("3", onWire(payload)) })),
    ],
    jsonpForm: forms.map((form) => ({ form, payload: posted(form) })),
  };
}
