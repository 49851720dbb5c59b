// Package service is the control plane: the gRPC services of realtime.v1 in front of [rooms] and [feed]. Each method
// translates its request, calls, and rewrites the error, nothing else:
//
//   - convert_request.go checks requests, reports everything that is wrong with them, and makes values of
//     package rooms;
//   - convert.go makes messages of values of package rooms;
//   - errors.go is the only place that chooses status codes.
//
// [Admissions] asks attached services whether a client may connect; it knows no gRPC.
//
// Invariants:
//
//   - A method returns after every socket has taken or refused what it emits, so calls of one caller reach a
//     socket in order (I2).
//   - Whatever a request says is applied or refused with the path of its field (I6).
//   - JSON is checked and passed on as the bytes it came in (I7).
//   - Every question of the edge gets exactly one verdict, at the latest when its time is up.
//
// Locks: Admissions.mu is the only one. No verdict is handed over and no message sent while it is held.
package service
