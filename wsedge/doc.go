// Package wsedge is the edge: a Socket.IO server for browsers. It joins what
// clients do to package rooms and knows neither gRPC nor who listens.
//
// A Client is the Socket.IO side of one Engine.IO session; it has one Socket in
// each namespace that it joined. A Socket is a rooms.Member: messages reach it
// through Deliver, and what it does is told to the Observer. Who may connect is
// asked of the Admitter.
//
// # Locks
//
// In this order: Client.recv, then a namespace's lock (inside package rooms) or
// Socket.mu or a session's lock (inside package transport); the latter three
// never together. Client.recv serialises what one client does and what is
// decided about it, and so gives I1: the Observer is called under it. Deliver
// does not take it: messages go out while the client's own packets are handled.
//
// # Invariants
//
//   - I1: a socket's events are observed after its connected and before its
//     disconnected, of which there is exactly one each.
//   - I2: Deliver writes or queues before it returns.
//   - I3: rooms calls Deliver without locks, and Deliver never blocks.
//   - I7: the arguments of an event are the bytes that the client sent.
package wsedge
