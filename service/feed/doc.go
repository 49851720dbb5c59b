// Package feed brings what sockets do to whoever watches. The edge calls [Feed.Observe] for every event; each [Watcher]
// has a filter and a bounded queue of its own. A watcher that is too slow loses events and learns how many, at the
// place where they were lost; it never slows down the edge, other watchers or clients.
//
// Invariants:
//
//   - A watcher sees the events of one socket in the order in which Observe was called for them (I1).
//   - Observe never blocks and calls nobody (I3). With nobody watching it is one atomic load.
//   - A queue is bounded in events and in bytes (I4). Every event that matched a watcher's filter is either in a
//     [Batch] or counted in exactly one Batch.Missed, and in [Stats] (I5), as long as the watcher keeps reading.
//
// Locks: Feed.mu before Watcher.mu. Observe takes only Watcher.mu, one watcher after the other. Config.WantRoomEvents is
// called without either.
package feed
