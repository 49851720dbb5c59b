// Package netpoll is where the edge meets the network: it accepts connections,
// decides by their first bytes where each goes, and drives those that stay.
// It knows no protocol beyond the end of a request head.
//
// # Parts
//
// A [Door] accepts, learns from a PROXY header whose a connection is where one is
// due, does the TLS handshake, reads heads, and hands each connection to its Fast
// function or to net/http. An [Engine] drives connections from then on: it reads and
// calls a [Handler]; whoever holds the [Conn] writes, at once and from any
// goroutine. There are two engines behind the one interface:
//
//   - The descriptor engine (Linux) takes the descriptor out of a
//     *net.TCPConn. One epoll loop per core reads into one buffer; an idle
//     connection costs 48 bytes, a slot of 16 and a deadline of 4.
//   - The portable engine serves any net.Conn (TLS, net.Pipe, other systems)
//     with a goroutine for each. The descriptor engine embeds one for what is
//     not a *net.TCPConn.
//
// # Invariants
//
//   - N1 The calls of one Handler never overlap, and each sees what the ones
//     before it did. OnClose is the last and comes exactly once for every
//     Attach that returned nil and every Timer.
//   - N2 No lock of this package that a method of Conn or Engine takes is held
//     during a call of a Handler.
//   - N3 A byte is never written to another connection than its own, however
//     late the write: descriptors are closed by their loop only, under the
//     lock that every write takes.
//   - N4 Nothing here blocks a loop: its system calls return at once, its locks
//     are held during no call of a Handler, and its bursts are cut into turns
//     of callsPerTurn calls.
//   - N5 What TryWrite took before Close or the peer's orderly end is sent, as
//     far as the peer takes it within lingerTimeout.
//   - N6 The portable engine has no goroutine while it has no Conn.
//
// # Goroutines
//
//   - loop.run, one for each loop: waits for events, makes every call of its
//     connections once Attach has made the early ones, closes descriptors,
//     sweeps deadlines. It parks in Go's poller (poller.wait says why) and ends
//     after Shutdown, when every connection has.
//   - portable.sweepUntil, while the portable engine has a Conn.
//   - streamConn.run, one for each connection of the portable engine: OnRead,
//     OnResume, OnClose, lingering. streamConn.write, while there is something to write:
//     OnWritable.
//   - Door.receive, one for each connection until it has been handed on.
//
// # Who closes
//
// Close marks a Conn and tells its loop, or interrupts its reader; that
// goroutine alone makes the last call and closes the descriptor. A connection
// that this side has ended lingers after OnClose: the end is sent after what
// the kernel took before, then whatever the peer still sends is thrown away
// until its end comes, for at most lingerTimeout (shutdownLinger during
// Shutdown). Closing at once would make the kernel reset the connection and
// lose what is under way as soon as one more byte comes in.
//
// # Locks
//
// fdConn.mu, loop.mu, portable.mu, streamConn.mu and Door.mu are leaves: none is
// held while another is taken, nor during a call out. fdConn.mu is held during
// the system calls on its descriptor, none of which waits. streamConn.calls is
// held during the calls of one Handler of the portable engine; no method of
// Conn takes it, so those calls may take any other lock.
package netpoll
