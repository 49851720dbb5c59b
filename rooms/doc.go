// Package rooms is the meeting point of the house: who is connected, in which rooms, and how a message finds them. It
// knows no bytes of any wire, no gRPC and no WebSocket; the edge brings members in, the services address them.
//
// A [Hub] holds the configured namespaces. A [Namespace] holds its members, their rooms and their users, and selects
// among them by [Target]. A [Message] goes down to the selected members, an [Event] comes up from one of them; this
// package only defines the latter.
//
// # Invariants
//
// The numbers are those of the whole project; the tests name them.
//
//   - I2: two Emits that one caller makes one after the other reach each member in that order. Emit and EmitWithAck
//     return when every Deliver has returned, and nothing is handed to another goroutine.
//   - I3: no lock of this package is held while a Member or an AckSink is called. Whoever calls out has first collected
//     the members under the lock and released it. A Member may therefore call the namespace back from any method, and
//     an Emit may still reach a member that has left a room, or the namespace, a moment ago.
//
// Add, Remove, Join and Leave happen at one instant for everyone else: an Emit sees all of one such call or nothing.
//
// # Locks
//
// There are two, neither is ever held while the other, or any lock outside this package, is taken:
//
//   - Namespace.mu guards the namespace's lists and the places of all its members.
//   - AckCall.mu guards who still owes an answer to that call.
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
