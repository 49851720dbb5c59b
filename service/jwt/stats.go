package jwt

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// Message is what the connect_error of every client says that is refused for its token; its data is {"code":...}.
const Message = "unauthorized"

// The codes that clients are told.
const (
	CodeMissing             = "TOKEN_MISSING"         // there is no token where one may be
	CodeInvalid             = "TOKEN_INVALID"         // it is not one that is accepted here
	CodeExpired             = "TOKEN_EXPIRED"         // it was one
	CodeNamespaceNotAllowed = "NAMESPACE_NOT_ALLOWED" // it is good, but not for this namespace
	CodeKeysUnavailable     = "KEYS_UNAVAILABLE"      // it cannot be checked now; it may be good
)

// reason is why a token was refused, in more detail than clients are told. They are from a closed set, for labels.
type reason uint8

const (
	reasonMissing reason = iota
	reasonOversized
	reasonMalformed
	reasonAlgorithm
	reasonUnknownKey
	reasonSignature
	reasonExpired
	reasonNotYetValid
	reasonIssuer
	reasonAudience
	reasonClaims
	reasonNamespace
	reasonKeysUnavailable
	reasonOtherUser // only of tokens that were asked for
	reasonCount
)

var reasonNames = [reasonCount]struct{ name, code string }{
	reasonMissing:         {"missing", CodeMissing},
	reasonOversized:       {"oversized", CodeInvalid},
	reasonMalformed:       {"malformed", CodeInvalid},
	reasonAlgorithm:       {"algorithm", CodeInvalid},
	reasonUnknownKey:      {"unknown_key", CodeInvalid},
	reasonSignature:       {"signature", CodeInvalid},
	reasonExpired:         {"expired", CodeExpired},
	reasonNotYetValid:     {"not_yet_valid", CodeInvalid},
	reasonIssuer:          {"issuer", CodeInvalid},
	reasonAudience:        {"audience", CodeInvalid},
	reasonClaims:          {"claims", CodeInvalid},
	reasonNamespace:       {"namespace", CodeNamespaceNotAllowed},
	reasonKeysUnavailable: {"keys_unavailable", CodeKeysUnavailable},
	reasonOtherUser:       {"other_user", CodeInvalid},
}

func (r reason) String() string { return reasonNames[r].name }

// verdict refuses a client for this reason.
func (r reason) verdict() rooms.Verdict {
	data, err := json.Marshal(map[string]string{"code": reasonNames[r].code})
	if err != nil {
		panic(err) // of two strings
	}
	return rooms.Verdict{Refused: true, Message: Message, ErrorData: data}
}

// Stats counts what became of tokens.
type Stats struct {
	// Accepted counts good tokens of clients that connected, whatever a service that was asked then decided.
	Accepted uint64
	// PassedOn counts clients without a token that the next admitter decided about (Config.Optional).
	PassedOn uint64
	// Refused counts tokens that did not pass, those that were asked for included, by reason. All reasons are in it.
	Refused map[string]uint64
	// Waiting is how many tokens wait for a look at the keys.
	Waiting int
	// Keys is how many keys there are now.
	Keys int
	// Loads counts looks at the keys: those that found other ones than before (changed), the same (same) and none
	// (failed).
	Loads map[string]uint64
	// Watched is how many sockets are connected, or away, whose token will expire.
	Watched int
	// Expired counts sockets that were disconnected because of it.
	Expired uint64
	// Asked counts sockets that were asked for another token, Extended those that brought one.
	Asked, Extended uint64
}

// counters are what Stats is read from.
type counters struct {
	accepted, passedOn       atomic.Uint64
	refused                  [reasonCount]atomic.Uint64
	changed, same, failed    atomic.Uint64
	expired, asked, extended atomic.Uint64
}

func (c *counters) stats() Stats {
	s := Stats{
		Accepted: c.accepted.Load(),
		PassedOn: c.passedOn.Load(),
		Refused:  make(map[string]uint64, reasonCount),
		Loads:    map[string]uint64{"changed": c.changed.Load(), "same": c.same.Load(), "failed": c.failed.Load()},
		Expired:  c.expired.Load(),
		Asked:    c.asked.Load(),
		Extended: c.extended.Load(),
	}
	for r := range reasonCount {
		s.Refused[r.String()] = c.refused[r].Load()
	}
	return s
}

// logEvery is how often a line of one kind is logged at the most.
const logEvery = 10 * time.Second

// refusals logs them, a line for each reason at most every logEvery, which says how many there were since the last.
type refusals struct {
	log *slog.Logger

	mu    sync.Mutex // guards the following
	last  [reasonCount]time.Time
	since [reasonCount]int
}

func (l *refusals) say(r *refusal) {
	now := time.Now()
	l.mu.Lock()
	l.since[r.reason]++
	n := l.since[r.reason]
	due := now.Sub(l.last[r.reason]) >= logEvery
	if due {
		l.last[r.reason], l.since[r.reason] = now, 0
	}
	l.mu.Unlock()
	if due {
		l.log.LogAttrs(context.Background(), slog.LevelInfo, "tokens refused",
			slog.String("reason", r.reason.String()), slog.String("last", r.detail), slog.Int("count", n))
	}
}
