// What socket.io-parser makes of packets.

import { Decoder, Encoder, PacketType } from "socket.io-parser";

// decoded feeds text and then as many attachments as it announces. It returns the packet or null for an error.
function decoded(text) {
  const decoder = new Decoder();
  let packet;
  decoder.on("decoded", (p) => (packet = p));
  try {
    decoder.add(text);
    for (let i = 0; packet === undefined; i++) decoder.add(Buffer.from([i]));
  } catch {
    return null;
  }
  return packet;
}

// described is a packet in the form of the vectors. Data is a JSON text, in which {"$binary": base64} is an attachment.
function described(packet) {
  if (packet === null) return null;
  const { type, nsp, id, data } = packet;
  return { type, nsp, id, data: data === undefined ? undefined : JSON.stringify(data, attachment) };
}

function attachment(_key, value) {
  if (value?.type === "Buffer" && Array.isArray(value.data)) {
    return { $binary: Buffer.from(value.data).toString("base64") };
  }
  return value;
}

const placeholder = '{"_placeholder":true,"num":0}';

// valid: one text of every form.
const valid = [
  "0", "0{}", '0{"token":"x"}', "0/chat", "0/chat,", '0/chat,{"a":1}', "0/chat?token=a,", "0/a/b-c,{}", "01", "01{}",
  "1", "1/chat,", "112", "1/chat,7",
  '4"no"', '4{"message":"no"}', '4/chat,{"message":"no","data":{"a":[1]}}', "4", "41",
  '2["hi"]', '2["hi",1,"a",null,true,false,{},[]]', '2/chat,["hi"]', '2/chat,0["hi"]', '212["hi",{"a":{"b":[1,2]}}]',
  "2[1]", '2[-1.5e3,"x"]', '2[0,{"num":1}]', '2["error"]', '2["message"]', '2[""]', '29007199254740991["hi"]', "2", "21", "2/chat,",
  '2007["hi"]', '2["a\\"b\\\\c\\u00e9\\ud83d\\ude00","x"]', '2["connec\\u0074ed"]', '2["\\ud800"]', '2["hi","\\ud800","\u2028"]',
  '2["hi",{"__proto__":1,"a":1,"a":2}]', '2["hi",1e+21,12345678901234567890,-0]', '2[ "hi" , 1 ]', '2["hi"] \n',
  `2["plain",${placeholder}]`, '2["plain",{"_placeholder":true,"num":"splice"}]',
  "3[]", "31[]", '31["ok",2]', "3", "31", "3/chat,5[null]",
  `51-["pic",${placeholder}]`, `51-/chat,7["pic",${placeholder}]`, `52-["two",{"_placeholder":true,"num":1},${placeholder}]`,
  `51-["twice",${placeholder},${placeholder}]`, '51-["unused"]', '510-["ten"]', "51-", "51-7", "51-/chat,",
  '51-["deep",[{"a":[{"num":0,"_placeholder":true}]}]]', '51-["plain",{"_placeholder":false,"num":9}]',
  '51-["plain",{"_placeholder":1,"num":9}]', '51-["plain",{"_placeholder":"true"}]', '51-["key",{"\\u005fplaceholder":true,"nu\\u006d":0}]',
  '51-["last",{"_placeholder":true,"num":9,"num":0}]', '51-["last",{"_placeholder":true,"num":9,"_placeholder":false}]',
  '51-["inner",{"x":{"_placeholder":true,"num":9},"_placeholder":true,"num":0}]',
  '51-["inner",{"_placeholder":true,"num":0,"x":[{"_placeholder":true}]}]',
  '51-["float",{"_placeholder":true,"num":0.0}]', '51-["minus",{"_placeholder":true,"num":-0}]', '52-["exp",{"_placeholder":true,"num":10e-1}]',
  '51e0-["exp"]', '52.0-["two"]', '501-["zero"]', '5+1-["plus"]', '51.-["dot"]',
  `61-3[${placeholder}]`, `61-/chat,3[1,${placeholder}]`, "61-", "61-[]",
];

// invalid: one text of every fault.
const invalid = [
  "7", "a", "-", "/", "[", '"', '9["hi"]', "é", 'x2["hi"]',
  "0[]", "0null", "01x", '0"a"', "0true", "0{", "0{}}", "0/chat,[]", "1{}", "1[]", "1/chat,{}", "1x",
  "4[]", "4null", "4true", '4"', "4{",
  "2[]", "2{}", "2null", '2"hi"', "2[null]", "2[true]", "2[{}]", "2[[]]", '2[{"toString":"foo"}]', '2["hi"', '2["hi",]', '2["hi",,1]', '2[,"hi"]',
  '2["hi"]]', '2["hi"]x', '2x["hi"]', '21-["hi"]', '2-1["hi"]', '2,["hi"]', '2["hi",01]', '2["hi",1.]', '2["hi",.5]', '2["hi",+1]', '2["hi",1e]', '2["hi",-]',
  '2["hi",\'a\']', '2["hi",{a:1}]', '2["hi",{"a"}]', '2["hi",{"a":}]', '2["hi",{"a":1,}]', '2["hi",{,}]', '2["hi",{"a":1 "b":2}]', '2["hi",nul]', '2["hi",True]',
  '2["hi","\t"]', '2["hi","\\x"]', '2["hi","\\u12g4"]', '2["hi","\\u12"]', '2["hi","\\', '2["hi","a]', '2["\n"]', '2["hi",NaN]', '2["hi",Infinity]',
  '2["connect"]', '2["connect_error"]', '2["disconnect"]', '2["disconnecting"]', '2["newListener"]', '2["removeListener"]', '2["c\\u006fnnect",1]',
  "3{}", '3"a"', "31null", "3[", "3[1,]",
  '5["hi"]', '50-["hi"]', '5-["hi"]', '511-["hi"]', '51["hi"]', '5-1-["hi"]', '51.5-["hi"]', '5x-["hi"]', '51x-["hi"]', '5Infinity-["hi"]', '5NaN-["hi"]', '599999999999-["hi"]',
  "5", "51", "50-", "6", "60-[]", "6-[]", '51-["connect"]', "51-[]", "51-{}", "61-{}", '51-["hi"',
  ...["1", "-1", '"0"', '"splice"', "null", "true", "{}", "[]", "1e3", placeholder].map((num) => `51-["num",{"_placeholder":true,"num":${num}}]`),
  '51-["num",{"_placeholder":true}]', '51-["num",[[{"a":{"_placeholder":true,"num":1}}]]]', '51-["num",{"_placeholder":true,"num":0,"num":9}]',
  '61-[{"_placeholder":true,"num":1}]', '51-["num",{"_placeholder":false,"_placeholder":true,"num":2}]',
];

// stricter: the reference takes these; the Go side refuses them, for the reason its documentation gives.
const stricter = [
  ' {"a":1}', '2 ["hi"]', '21 ["hi"]', '5 1-["hi"]', '50x1-["hi"]', '50b1-["hi"]', '299999999999999999999["hi"]', '51-["half",{"_placeholder":true,"num":0.5}]',
  '51-["dup",{"a":{"_placeholder":true,"num":9},"a":1}]',
];

// mutated: each text is cut everywhere, and each of its characters replaced by each of these. No white space: see stricter.
const alphabet = '0159-,/[]{}":.e\\at';
const mutated = [
  '2/chat,12["hi",{"a":[1,-2.5e3,"\\u00e9\\n"],"b":{}},null,true]', '0/a,{"k":"v"}', '4{"message":"no"}', "1/a,", '31["ok"]',
  `52-/a,3["pic",{"_placeholder":true,"num":1},[${placeholder}]]`, `61-4[${placeholder},false]`, '2["disconnect_"]',
];

function verdicts(text) {
  return {
    text,
    prefixes: Array.from(text, (_, i) => bit(text.slice(0, i))).join(""),
    replaced: Array.from(text, (_, i) => Array.from(alphabet, (c) => bit(text.slice(0, i) + c + text.slice(i + 1))).join("")),
  };
}

function bit(text) {
  return text !== "" && decoded(text) !== null ? "1" : "0"; // the server refuses empty text before the parser sees it
}

// encodings: what is given to the encoder.
const bytes = (...list) => Buffer.from(list);
const encodings = [
  { type: PacketType.CONNECT, nsp: "/", data: { sid: "abcdefghijklmnopqrst" } },
  { type: PacketType.CONNECT, nsp: "/chat", data: { sid: "abcdefghijklmnopqrst" } },
  { type: PacketType.CONNECT_ERROR, nsp: "/", data: { message: "Invalid namespace" } },
  { type: PacketType.CONNECT_ERROR, nsp: "/chat", data: { message: 'no "é" <b>&\u2028\n\u0001', data: { code: [1, "x"] } } },
  { type: PacketType.DISCONNECT, nsp: "/" },
  { type: PacketType.DISCONNECT, nsp: "/chat" },
  { type: PacketType.EVENT, nsp: "/", data: ["hi"] },
  { type: PacketType.EVENT, nsp: "/", data: ["hi", 1, "a", null, { a: [true] }], id: 0 },
  { type: PacketType.EVENT, nsp: "/chat", data: ["hi", []], id: 9007199254740991 },
  { type: PacketType.EVENT, nsp: "/", data: ['n"\\/\b\f\n\r\t\u0000\u001f\u007f<>&é😀\u2028\u2029', "x"] },
  { type: PacketType.EVENT, nsp: "/", data: ["pic", bytes(1, 2, 3)] },
  { type: PacketType.EVENT, nsp: "/chat", data: ["pics", { b: [bytes(1)], a: bytes() }, bytes(255)], id: 7 },
  { type: PacketType.ACK, nsp: "/", data: [], id: 0 },
  { type: PacketType.ACK, nsp: "/chat", data: ["ok", { a: 1 }], id: 12 },
  { type: PacketType.ACK, nsp: "/", data: [bytes(9), "x"], id: 3 },
];

function encoding(packet) {
  const [text, ...attachments] = new Encoder().encode(structuredCloneKeepingBuffers(packet));
  const { type, nsp, id } = packet;
  const data = packet.data === undefined ? undefined : JSON.stringify(packet.data, numbered());
  return { type, nsp, id, data, text, attachments: attachments.map((b) => b.toString("base64")) };
}

// The encoder changes what it is given.
function structuredCloneKeepingBuffers(value) {
  if (Buffer.isBuffer(value) || value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(structuredCloneKeepingBuffers);
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, structuredCloneKeepingBuffers(v)]));
}

// numbered writes placeholders for buffers in order of appearance, independently of the encoder.
function numbered() {
  let num = 0;
  return (_key, value) =>
    value?.type === "Buffer" && Array.isArray(value.data) ? { _placeholder: true, num: num++ } : value;
}

function expect(verdict, texts) {
  for (const text of texts) {
    if ((decoded(text) !== null) !== verdict) throw new Error(`the parser's verdict on ${text} is not ${verdict}`);
  }
}

export function socketVectors() {
  expect(true, valid);
  expect(false, invalid);
  expect(true, stricter);
  return {
    decode: [...valid, ...invalid].map((text) => ({ text, packet: described(decoded(text)) })),
    stricter,
    alphabet,
    mutated: mutated.map(verdicts),
    encode: encodings.map(encoding),
  };
}
