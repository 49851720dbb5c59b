// Package transport is an Engine.IO server: it carries the sessions of package
// engineio over long-polling and WebSocket, on the connections of package
// netpoll.
//
// The way in: netpoll.Door reads a new connection's request head. A clean
// WebSocket upgrade is answered from that buffer (upgrade.go) and its descriptor
// goes to the engine; everything else is net/http's (polling.go, upgrade.go).
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
// what netpoll locks itself: no Handler, and nothing else of ours, is called
// under it. A sessionTable's locks are leaves as well. No two Session.mu are
// ever held together.
//
// # Goroutines
//
// None per session, except a parked poll, which is net/http's, and the ten that
// QUIC and HTTP/3 have for a WebTransport client. Calls of a
// Handler come from the engine's goroutines and from those that serve a POST;
// Closed may come from any.
package transport
