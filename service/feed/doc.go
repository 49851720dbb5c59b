// Package feed brings what sockets do to whoever wants to know. The edge calls [Feed.Observe] for every event. There are two
// ways to hear of it.
//
// A [Watcher] has a filter and a bounded queue of its own. One that is too slow loses events and learns how many, at the
// place where they were lost; it never slows down the edge, other watchers or clients.
//
// A [Member] shares the events of a consumer group with the group's other members. Each event is delivered to one of them at a
// time until it is acknowledged; all that is in flight of one socket is with one member. What is not acknowledged in time, is
// given back or was with a member that is gone is delivered again, and what is behind it of the same socket once more after it. A
// group keeps what waits within bounds; at these, [rooms.Flow] holds the clients back or has their events refused.
//
// Invariants:
//
//   - A watcher sees the events of one socket in the order in which Observe was called for them (I1). So do the members of a
//     group, taken together, for the first delivery of each event.
//   - Observe never blocks and calls nobody (I3). With nobody watching it is one atomic load.
//   - A queue is bounded in events and in bytes (I4). Every event that matched a watcher's filter is either in a
//     [Batch] or counted in exactly one Batch.Missed, and in [Stats] (I5), as long as the watcher keeps reading.
//   - Every event that a group accepted is acknowledged or counted in [GroupStats] as given up, unless the group ends first.
//
// A group is a lane for each socket of which something waits, and a list of members. A lane belongs to one member while
// something of it is in flight; it moves only when nothing is. Members that let a delivery time out are passed over while others
// are well.
//
// Locks: Feed.mu before group.mu and Watcher.mu, which never meet. Observe takes only the latter two, one watcher or group after
// the other. Config.WantRoomEvents is called without any, as are GroupConfig.Resume and Disconnect.
package feed
