package rooms

// Flow is what whoever hears of an event wants to become of the client that sent it (I4). The zero value: nothing.
type Flow struct {
	// Refused says why the event was not accepted: it was told to nobody, and a client that asked for an acknowledgement
	// is answered with an error. Empty: it was accepted. Only events of KindEvent are ever refused.
	Refused Refusal
	// Holds asks that nothing more is read from the client, until it was resumed for this socket as often as it was held, or
	// the socket is gone. Its heartbeats go on.
	Holds int
}

// Refusal is why an event was not accepted. Clients see it.
type Refusal string

// The refusals.
const (
	RefusedTooLarge   Refusal = "too large"   // no consumer could be sent it
	RefusedOverloaded Refusal = "overloaded"  // a consumer group has no room
	RefusedNotAllowed Refusal = "not allowed" // clients may not send this event in this namespace
)
