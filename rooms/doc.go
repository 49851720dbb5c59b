// Package rooms is the meeting point of the house: who is connected, in which rooms, and how a message finds them. It
// knows no bytes of any wire, no gRPC and no WebSocket; the edge brings members in, the services address them.
//
// A [Hub] holds the namespaces: those that are configured by name, and the dynamic ones, which a pattern admits and which
// exist while somebody is in them (PROTOCOL 4.5). A [Namespace] holds its members, their rooms and their users, and selects
// among them by [Target]. A [Message] goes down to the selected members, an [Event] comes up from one of them; this
// package only defines the latter.
//
// # Invariants
//
// The numbers are those of the whole project; the tests name them.
//
//   - I2: two Emits that one caller makes one after the other reach each member in that order. Emit and EmitWithAck
//     return when every Deliver has returned. Emits to one large room that come while one is delivered to it wait, and one of
//     their callers delivers for all of them (combine.go); nothing else is handed to another goroutine.
//   - I3: no lock of this package is held while a Member or an AckSink is called. Whoever calls out has first collected
//     the members under the lock and released it. A Member may therefore call the namespace back from any method, and
//     an Emit may still reach a member that has left a room, or the namespace, a moment ago.
//
// Two things narrow I3. From within Deliver and DeliverBatch a Member must not Emit to the room, the user or the namespace
// that the message was for: it may wait for the Emit that it is in. And where a namespace has a [Recorder], a Member must
// not Emit in it at all from there: the recorder holds a lock of its own from Record to done, so that what it writes down
// has the order in which members get it. No lock of this package is held meanwhile. Everything else may be called.
//
// Add, Remove, Join and Leave happen at one instant for everyone else: an Emit sees all of one such call or nothing.
//
// # Locks
//
//   - Namespace.mu guards the namespace's lists and the places of all its members.
//   - AckCall.mu guards who still owes an answer to that call.
//   - combiner.mu guards which emits wait for others. It is a leaf.
//   - Hub.mu guards which dynamic namespaces exist, and how many use them. Looking up a configured one takes no lock.
//   - Namespace.telling is held while HubConfig.RoomEvents is called, and Namespace.mu is taken under it to see what there
//     is to tell. It is what puts the events in order, and the reason why RoomEvents must not block or call back. It is
//     taken only when somebody listens.
//
// But for that one pair none is ever held while another, or any lock outside this package, is taken. A namespace's
// recorder is made by HubConfig.Recorder without a lock, while others who want the same namespace wait.
//
// # Costs
//
// Entering or leaving one room takes constant time, but for the question whether the member is there already: that
// walks its rooms or the room's members, whichever are fewer. Selecting one socket, one room or everyone is a copy.
// Anything else costs in proportion to the members of the rooms that are named, not to the namespace; the comment
// at the top of select.go says how. Selections are pooled: an Emit allocates nothing.
//
// A member with two rooms costs its own Membership (64 bytes, inside the member's struct) and about 160 bytes
// besides, its share of the rooms included.
package rooms
