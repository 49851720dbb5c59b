// Package wsedge is the edge: a Socket.IO server for browsers. It joins what
// clients do to package rooms and knows neither gRPC nor who listens.
//
// A Client is the Socket.IO side of one Engine.IO session; it has one Socket in
// each namespace that it joined. A Socket is a rooms.Member: messages reach it
// through Deliver, and what it does is told to the Observer. Who may connect is
// asked of the Admitter.
//
// # Connection state recovery
//
// A Recovery keeps the sockets whose connection was lost, and a messageLog for each
// namespace what was emitted in it. A client that comes back with the private id of
// such a socket, and the offset of the last event that it got, is connected as that
// socket, after it was told what it missed (PROTOCOL 5).
//
// What a socket was for is decided by the rooms that it was in when it left: what it
// had lost of a room that it had left itself before is not replayed, and it may be
// told what went to a room before it joined it, as in the reference.
//
// # Locks
//
// In this order: messageLog.mu, then Client.recv or recoverable.mu (never together,
// but that a message which ends a session may take Client.recv, by TryLock, while
// the recoverable.mu of one of its sockets is held), then a namespace's lock (inside
// package rooms) or Socket.mu or a session's lock (inside package transport) or
// Recovery.mu; the latter four never together.
//
// Client.recv serialises what one client does and what is decided about it, and so
// gives I1: the Observer is called under it, and what holds it asks for are noted
// before it is released. Server.Resume takes it after that; whoever calls Resume holds
// no lock that an Observer takes. Deliver does not take it: messages go out while the
// client's own packets are handled.
//
// messageLog.mu is held while a recorded message goes out, which takes as long as
// the namespace is large. Loops therefore never wait for it: who comes back is
// restored by a goroutine of its own. As the end of a session, and with it the
// Observer, may come from within a Deliver, the Observer must not emit.
//
// # Invariants
//
//   - I1: a socket's events are observed after its connected and before its
//     disconnected, of which there is exactly one each; one that is recovered begins
//     again. After a disconnected that says so, exactly one follows of connected
//     (recovered) and expired, unless the process is killed.
//   - I2: Deliver writes or queues before it returns.
//   - I3: rooms calls Deliver without locks of its own, and Deliver never blocks.
//   - I4: what is kept for recovery is at most RecoveryConfig.MaxBytes, and goes when
//     it is too old. A client of which a socket is held (rooms.Flow) is not read: no
//     event of it is observed until the last hold is taken back, by Server.Resume or
//     the end of the socket, and then all that it sent comes in order. Meanwhile at
//     most what one read brought is kept for it, beside a message or a POST of
//     MaxPayload; its heartbeat and what is sent to it go on.
//   - I8: who is recovered has been told every message that was for it once, in the
//     order of their offsets; who cannot be sure of that begins anew.
//   - I7: the arguments of an event are the bytes that the client sent.
package wsedge
