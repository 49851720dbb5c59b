package engineio

// Transport is what carries a session now.
type Transport uint8

// The transports.
const (
	Polling Transport = iota + 1
	WebSocket
	WebTransport
)

// String returns the transport's name in the protocol: "polling", "websocket" or "webtransport". The first two are also
// values of the query parameter transport; a WebTransport session is opened without a query (PROTOCOL 1.10).
func (t Transport) String() string {
	switch t {
	case Polling:
		return "polling"
	case WebSocket:
		return "websocket"
	case WebTransport:
		return "webtransport"
	}
	return "unknown"
}

// Reason is why a session ended (PROTOCOL 1.8).
type Reason uint8

// The reasons.
const (
	TransportError Reason = iota + 1 // the wire broke, or the client broke the transport's rules
	TransportClose                   // the client closed, or the wire ended in good order
	ForcedClose                      // the server closed
	PingTimeout                      // a ping stayed without its pong; revision 3: no ping came
	ParseError                       // a packet could not be parsed
)

// String returns the reason in the protocol's words.
func (r Reason) String() string {
	switch r {
	case TransportError:
		return "transport error"
	case TransportClose:
		return "transport close"
	case ForcedClose:
		return "forced close"
	case PingTimeout:
		return "ping timeout"
	case ParseError:
		return "parse error"
	}
	return "unknown"
}

// Wire is where a packet came from.
type Wire uint8

// The wires.
const (
	// Current is the transport that carries the session: the WebSocket, the WebTransport stream, or the body of a POST.
	Current Wire = iota
	// Candidate is a WebSocket or WebTransport stream that was welcomed by CandidateArrived and has not been switched to.
	// Its packets after Switch come from Current, also those of the same read.
	Candidate
)

// Action is what the owner of a Session must do now.
type Action uint8

// The actions. A call of a Session returns one; after Advance returned another than None it is called again.
const (
	// None asks for nothing.
	None Action = iota
	// Deliver hands the packet's data to the application.
	Deliver
	// SendPing queues a ping for the current transport, as a message would be.
	SendPing
	// SendPong queues a pong without data for the current transport, as a message would be: revision 3 only. While an
	// earlier pong is queued the owner may leave this one out: any pong tells the client that the server lives.
	SendPong
	// ReplyProbe writes "3probe" to the candidate at once, then releases a waiting poll as ReleasePoll does.
	ReplyProbe
	// ReleasePoll answers the waiting poll, with a noop if nothing is queued.
	ReleasePoll
	// Switch makes the candidate the wire: it answers a waiting poll with a noop, refuses a running POST (code 3,
	// PostRunning is false now; an owner that is handling the packets of one already gives the upgrade packet to
	// Receive after PostDone only) and flushes the queue to the former candidate. Then Advance is called: it returns End
	// when the session was Closing.
	Switch
	// DropCandidate closes the candidate and leaves the session alone. From CandidateArrived it means the newcomer,
	// never the candidate that was there before.
	DropCandidate
	// End ends the session; Reason says why. No packet is accepted or sent any more. The owner answers a waiting poll,
	// with a noop if the client's close packet was the cause and otherwise with the close packet, and closes the
	// other transport and the candidate. When Closing is true, only the application hears of the end now: queue and
	// candidate stay until the second End, after which nothing is left to do for this session.
	End
	// RefuseBadRequest refuses this request (ErrBadRequest); the session is not affected.
	RefuseBadRequest
)

var actionNames = [...]string{
	"None", "Deliver", "SendPing", "SendPong", "ReplyProbe", "ReleasePoll", "Switch", "DropCandidate", "End",
	"RefuseBadRequest",
}

// String returns the action's name, for tests and debugging.
func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return "unknown"
}
