// Package transport is an Engine.IO server: it carries the sessions of package
// engineio over long-polling and WebSocket, on the connections of package
// netpoll.
//
// The way in: netpoll.Door reads a new connection's request head. A clean
// WebSocket upgrade is answered from that buffer (upgrade.go) and its descriptor
// goes to the engine; everything else is net/http's (polling.go, upgrade.go).
//
// A request of net/http's meets, in this order: CORS (cors.go), Config.Files,
// HTTPConfig.Middleware, the checks of PROTOCOL 1.2 with the origin list among
// them (verify, origin.go, refusal.go), for a new session the limits of its
// address and Admit (letIn), the header hooks (http.go), and is then served; what
// a poll fetches is compressed (coding.go). A clean upgrade is the same to all of
// them and goes past net/http only while none of them has a say.
//
// WebTransport comes in on a socket of its own (webtransport.go) and hands on a
// net.Conn for each client, which the portable engine drives.
//
// The way up: the engine reads bytes, a decoder (frame.go) finds frames in them,
// a Session hands the packets to engineio's state machine and the messages to
// the application's Handler.
//
// The way down: Session.Send takes a Prepared, whose wire bytes are made once
// and shared by all sessions. It is written at once on the caller's goroutine;
// what the kernel does not take waits in the session's outbox by reference. The
// outbox is bounded (I4).
//
// # Locks
//
// Session.mu guards a session's state, queue and wire. It is a leaf, apart from
// what netpoll locks itself and the lock of waiters: no Handler, and nothing else
// of ours, is called under it. The locks of a sessionTable, of limits and of idlers are leaves as
// well. No two Session.mu are ever held together.
//
// # Bounds
//
// A session that is paused (Session.Pause) is not read; what is kept of it is what
// one read brought, or the POST that is being handled.
//
// What costs memory before anybody is known is bounded in time and number:
//
//   - a head, with the PROXY header and TLS handshake before it:
//     Config.HeadTimeout; MaxPendingHeads, the oldest gives way;
//   - a connection that net/http holds without a request: HeadTimeout for its
//     head, idleTimeout between two; MaxIdleConnections, the longest idle one
//     gives way;
//   - a body: BodyTimeout; Settings.MaxPayload, MaxBodies for all of them;
//   - an answer: answerTimeout for a client that does not read it;
//   - what one address has and asks for: MaxConnectionsPerAddress,
//     MaxSessionsPerAddress, HandshakesPerSecond (limit.go), where the address is
//     whom proxies speak for (address.go).
//
// # Goroutines
//
// None per session, except a parked poll, which is net/http's, and the ten that
// QUIC and HTTP/3 have for a WebTransport client. Calls of a
// Handler come from the engine's goroutines and from those that serve a POST;
// Closed may come from any.
package transport
