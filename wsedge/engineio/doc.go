// Package engineio speaks Engine.IO, revision 4, below the transports: packets and polling payloads, the handshake, the
// refusals, and the state machine of a session. It does no I/O and reads no clock: bytes and times are arguments. Section
// numbers in comments ("PROTOCOL 1.6") are those of the project's protocol notes.
//
// A session is born by a handshake on either transport, and may move from polling to a WebSocket once:
//
//	GET  (no sid)             -> 0{"sid":…}        Open(Polling)
//	GET  (sid)                -> packets           PollArrived … PollAnswered
//	POST (sid) packets        -> ok                PostArrived, Receive(Current) …, PostDone
//	WebSocket (sid)           -> 101               CandidateArrived
//	  2probe                  -> 3probe            Receive(Candidate) = ReplyProbe; waiting polls are released
//	  5                                            Receive(Candidate) = Switch: the WebSocket is Current
//	WebSocket (no sid)        -> 101, 0{"sid":…}   Open(WebSocket)
//
// Invariants of a Session, whatever the peer sends and in whatever order the owner calls:
//
//   - End is returned once, and a second time only after a Close that left the session Closing.
//   - After End nothing is delivered, pinged, or released; requests are refused and candidates dropped.
//   - One transport is current at any time; it changes at most once, from polling to WebSocket.
//   - Deadline is set while the session is open or Closing, and Advance at the Deadline makes progress: repeated until
//     None, it leaves a later Deadline or none.
//   - Nothing here allocates, except the base64 of binary messages and the cold path of refusals.
//
// The package has no locks.
package engineio
