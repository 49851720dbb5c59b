// Package socketio reads and writes the packets of the Socket.IO protocol, revisions 5 and 4, as JSON and as MessagePack: what
// an Engine.IO message carries after its type digit. It does no I/O. Section numbers in comments ("PROTOCOL 3") are those of the project's
// protocol notes.
//
//	0{"token":"x"}            CONNECT to /, with auth
//	0/chat,                   CONNECT to /chat
//	2["say","hi"]             EVENT
//	2/chat,12["say","hi"]     EVENT in /chat that asks for an answer under id 12
//	3/chat,12["ok"]           ACK, the answer
//	51-["pic",{"_placeholder":true,"num":0}]    BINARY_EVENT: one binary message follows
//
// A client that uses the MessagePack parser sends and gets each packet as one binary message, {type, nsp, data, id}. Between
// the two forms there are no values: DecodeMsgpack writes arguments as JSON text, so that the rest of the server knows but one
// form, and the AppendMsgpack functions write that text as MessagePack.
//
// Invariants:
//
//   - A client's JSON is validated once, and arguments are passed on as the bytes they came as: nothing parses them into
//     values and writes them again. Numbers, key order, duplicate keys and lone surrogates survive.
//   - What Decode accepts has bounded depth, attachments and namespace, and every placeholder of a binary packet stands for
//     an attachment that was announced.
//   - Decoding takes linear time; it allocates only for escaped names, escaped keys of binary packets, and errors.
//
// The package has no locks.
package socketio
