// Package engineio speaks Engine.IO, revisions 4 and 3, below the transports: packets and polling payloads, JSONP, the
// handshake, the refusals, and the state machine of a session. It does no I/O and reads no clock: bytes and times are
// arguments. Section numbers in comments ("PROTOCOL 1.6") are those of the project's protocol notes. What only revision 3
// has is named so: Payload3 reads what Payload does not.
//
// A session is born by a handshake on any transport, and may move from polling to a WebSocket or a WebTransport stream
// once:
//
//	GET  (no sid)             -> 0{"sid":…}        Open(Polling)
//	GET  (sid)                -> packets           PollArrived … PollAnswered
//	POST (sid) packets        -> ok                PostArrived, Receive(Current) …, PostDone
//	WebSocket (sid)           -> 101               CandidateArrived(WebSocket)
//	WebTransport, 0{"sid":…}                       CandidateArrived(WebTransport)
//	  2probe                  -> 3probe            Receive(Candidate) = ReplyProbe; waiting polls are released
//	  5                                            Receive(Candidate) = Switch: the candidate is Current
//	WebSocket (no sid)        -> 101, 0{"sid":…}   Open(WebSocket)
//	WebTransport, 0           -> 0{"sid":…}        Open(WebTransport)
//
// The heartbeat is the server's in revision 4 and the client's in revision 3:
//
//	4:  Advance = SendPing    -> 2                 Receive(3) within PingTimeout, or End
//	3:  2                     -> 3                 Receive(2) = SendPong, again within PingInterval + PingTimeout, or End
//
// Invariants of a Session, whatever the peer sends and in whatever order the owner calls:
//
//   - End is returned once, and a second time only after a Close that left the session Closing.
//   - After End nothing is delivered, pinged, ponged, or released; requests are refused and candidates dropped.
//   - One transport is current at any time; it changes at most once, from polling to what the candidate is.
//   - Deadline is set while the session is open or Closing, and Advance at the Deadline makes progress: repeated until
//     None, it leaves a later Deadline or none.
//   - SendPing comes in revision 4 only, SendPong in revision 3 only. In revision 3 an open session's Deadline is never
//     later than PingInterval + PingTimeout after the last ping or the upgrade.
//   - Nothing here allocates, except the base64 of binary messages, ParseJSONP, and the cold path of refusals.
//
// The package has no locks.
package engineio
