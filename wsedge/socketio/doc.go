// Package socketio reads and writes the packets of the Socket.IO protocol, revision 5, in their JSON form: what an Engine.IO
// message carries after its type digit. It does no I/O. Section numbers in comments ("PROTOCOL 3") are those of the project's
// protocol notes.
//
//	0{"token":"x"}            CONNECT to /, with auth
//	0/chat,                   CONNECT to /chat
//	2["say","hi"]             EVENT
//	2/chat,12["say","hi"]     EVENT in /chat that asks for an answer under id 12
//	3/chat,12["ok"]           ACK, the answer
//	51-["pic",{"_placeholder":true,"num":0}]    BINARY_EVENT: one binary message follows
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
