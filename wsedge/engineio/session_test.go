package engineio

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"unsafe"
)

// A script drives a Session through a scenario: at a time something happens, and the session must answer with an action
// and then be in a state. The state is what the Session's methods and fields say, as one line: the transport, what is
// going on, the end, and "@" with the Deadline.
type script []struct {
	at    Millis
	what  string
	want  Action
	state string
}

// testSettings has round numbers that are all different.
var testSettings = Settings{
	PingInterval: 1000, PingTimeout: 500, UpgradeTimeout: 2000, CloseTimeout: 3000, MaxPayload: 100, AllowUpgrades: true,
}

// happen makes one thing happen to s. The first ping is due 700 after the opening.
func happen(s *Session, set *Settings, what string, now Millis) Action {
	verb, text, _ := strings.Cut(what, " ")
	switch verb {
	case "open":
		name, old := strings.CutPrefix(text, "v3 ")
		rev := Revision4
		if old {
			rev = Revision3
		}
		s.Open(set, transportNamed(name), rev, now, 700)
	case "advance":
		return s.Advance(now)
	case "get":
		return s.PollArrived(now)
	case "answered":
		s.PollAnswered()
	case "get-aborted":
		return s.PollAborted()
	case "post":
		return s.PostArrived()
	case "done":
		s.PostDone()
	case "post-aborted":
		return s.PostAborted()
	case "candidate": // a WebSocket if it has no name
		return s.CandidateArrived(now, transportNamed(cmp.Or(text, "websocket")))
	case "candidate-lost":
		s.CandidateLost(now)
	case "pause":
		s.Pause(now)
	case "resume":
		s.Resume(now)
	case "lost":
		return s.WireLost(TransportClose)
	case "close":
		return s.Close(ForcedClose, now)
	case "<-", "<~": // from the current transport, from the candidate
		p := Packet{Type: PacketMessage, Binary: true, Data: []byte(text)}
		if text != "bytes" {
			p = Packet{Type: PacketType(text[0]), Data: []byte(text[1:])}
		}
		if text == "binary 2probe" {
			p = Packet{Type: PacketPing, Binary: true, Data: []byte("probe")}
		}
		return s.Receive(map[string]Wire{"<-": Current, "<~": Candidate}[verb], p, now)
	default:
		panic(what)
	}
	return None
}

func transportNamed(name string) Transport {
	for _, t := range []Transport{Polling, WebSocket, WebTransport} {
		if t.String() == name {
			return t
		}
	}
	return 0
}

func describe(s *Session) string {
	words := []string{s.Transport().String()}
	add := func(is bool, word string) {
		if is {
			words = append(words, word)
		}
	}
	add(s.Revision() == Revision3, "v3")
	add(s.Revision() == Revision4 && s.awaiting && !s.Closed(), "pinged")
	add(s.PollWaiting(), "poll")
	add(s.PostRunning(), "post")
	add(s.candidate != noCandidate && s.release == 0, "arrived")
	add(s.candidate != noCandidate && s.release != 0, "probed")
	add(s.candidate == WebTransport, "(webtransport)")
	add(s.Paused(), "paused")
	add(s.phase == unfetched, "unfetched")
	add(s.Closing(), "closing")
	add(s.Closed() && !s.Closing(), "closed")
	add(s.Reason() != 0, "("+s.Reason().String()+")")
	add(s.Deadline() != 0, fmt.Sprintf("@%d", s.Deadline()))
	return strings.Join(words, " ")
}

func (sc script) run(t *testing.T, set Settings) {
	t.Helper()
	var s Session
	for i, step := range sc {
		if got := happen(&s, &set, step.what, step.at); got != step.want {
			t.Fatalf("step %d, %d %s: %v, want %v", i, step.at, step.what, got, step.want)
		}
		if got := describe(&s); got != step.state {
			t.Fatalf("step %d, %d %s: %s, want %s", i, step.at, step.what, got, step.state)
		}
	}
}

func runScripts(t *testing.T, scripts map[string]script) {
	for name, sc := range scripts {
		t.Run(name, func(t *testing.T) { sc.run(t, testSettings) })
	}
}

// A server holds one Session for each client: it has to stay small.
func TestSessionSize(t *testing.T) {
	if size := unsafe.Sizeof(Session{}); size > 40 {
		t.Errorf("%d bytes", size)
	}
}

// PROTOCOL 1.7.
func TestHeartbeat(t *testing.T) {
	runScripts(t, map[string]script{
		"ping and pong on a websocket": {
			{1, "open websocket", None, "websocket @701"},
			{700, "advance", None, "websocket @701"},
			{701, "advance", SendPing, "websocket pinged @1201"},
			{701, "advance", None, "websocket pinged @1201"},
			{900, "<- 3", None, "websocket @1900"},
			{1900, "advance", SendPing, "websocket pinged @2400"},
		},
		"no pong": {
			{1, "open websocket", None, "websocket @701"},
			{701, "advance", SendPing, "websocket pinged @1201"},
			{1200, "advance", None, "websocket pinged @1201"},
			{1201, "advance", End, "websocket closed (ping timeout)"},
			{1202, "advance", None, "websocket closed (ping timeout)"},
			{1203, "<- 3", None, "websocket closed (ping timeout)"},
		},
		"messages are no pong": {
			{1, "open websocket", None, "websocket @701"},
			{701, "advance", SendPing, "websocket pinged @1201"},
			{1200, "<- 4hi", Deliver, "websocket pinged @1201"},
			{1201, "advance", End, "websocket closed (ping timeout)"},
		},
		"a late timer gives the client its whole time": {
			{1, "open websocket", None, "websocket @701"},
			{60_000, "advance", SendPing, "websocket pinged @60500"},
			{60_001, "advance", None, "websocket pinged @60500"},
		},
		"unsolicited pongs": {
			{1, "open websocket", None, "websocket @701"},
			{100, "<- 3", None, "websocket @1100"},
			{200, "<- 3probe", None, "websocket @1200"},
			{1200, "advance", SendPing, "websocket pinged @1700"},
			{1300, "<- 3", None, "websocket @2300"},
			{1400, "<- 3", None, "websocket @2400"},
		},
		"a client's ping": {
			{1, "open websocket", None, "websocket @701"},
			{2, "<- 2", End, "websocket closed (transport error)"},
		},
		"a client's probe on the current transport": {
			{1, "open polling", None, "polling @701"},
			{2, "<- 2probe", End, "polling closed (transport error)"},
		},
		"on polling without a poll": {
			{1, "open polling", None, "polling @701"},
			{701, "advance", SendPing, "polling pinged @1201"},
			{1201, "advance", End, "polling closed (ping timeout)"},
		},
		"on polling with a poll": {
			{1, "open polling", None, "polling @701"},
			{2, "get", None, "polling poll @701"},
			{701, "advance", SendPing, "polling pinged poll @1201"},
			{701, "answered", None, "polling pinged @1201"},
			{702, "get", None, "polling pinged poll @1201"},
			{703, "post", None, "polling pinged poll post @1201"},
			{703, "<- 3", None, "polling poll post @1703"},
			{703, "done", None, "polling poll @1703"},
		},
	})
}

// PROTOCOL 1.5, 1.8.
func TestPackets(t *testing.T) {
	runScripts(t, map[string]script{
		"text and bytes": {
			{1, "open websocket", None, "websocket @701"},
			{2, "<- 4hi", Deliver, "websocket @701"},
			{2, "<- bytes", Deliver, "websocket @701"},
			{2, "<- 4", Deliver, "websocket @701"},
		},
		"types that mean nothing from a client": {
			{1, "open websocket", None, "websocket @701"},
			{2, "<- 0", None, "websocket @701"},
			{2, "<- 5", None, "websocket @701"},
			{2, "<- 6", None, "websocket @701"},
		},
		"5 on polling": {
			{1, "open polling", None, "polling @701"},
			{2, "<- 5", None, "polling @701"},
		},
		"close on a websocket": {
			{1, "open websocket", None, "websocket @701"},
			{2, "<- 1", End, "websocket closed (transport close)"},
			{2, "<- 4hi", None, "websocket closed (transport close)"},
			{2, "<- 1", None, "websocket closed (transport close)"},
			{3, "lost", None, "websocket closed (transport close)"},
		},
		"close by POST releases the poll": {
			{1, "open polling", None, "polling @701"},
			{2, "get", None, "polling poll @701"},
			{3, "post", None, "polling poll post @701"},
			{3, "<- 1", End, "polling poll post closed (transport close)"},
			{3, "answered", None, "polling post closed (transport close)"},
			{3, "<- 4hi", None, "polling post closed (transport close)"},
			{3, "done", None, "polling closed (transport close)"},
			{4, "get", RefuseBadRequest, "polling closed (transport close)"},
			{4, "post", RefuseBadRequest, "polling closed (transport close)"},
			{4, "candidate", DropCandidate, "polling closed (transport close)"},
		},
		"a packet of no type": {
			{1, "open websocket", None, "websocket @701"},
			{2, "<- 7", End, "websocket closed (parse error)"},
		},
		"the wire is lost": {
			{1, "open websocket", None, "websocket @701"},
			{2, "lost", End, "websocket closed (transport close)"},
			{2, "lost", None, "websocket closed (transport close)"},
			{3, "close", None, "websocket closed (transport close)"},
			{4, "advance", None, "websocket closed (transport close)"},
		},
	})
}

// PROTOCOL 1.4, 1.8: the server closes.
func TestClose(t *testing.T) {
	runScripts(t, map[string]script{
		"websocket": {
			{1, "open websocket", None, "websocket @701"},
			{2, "close", End, "websocket closed (forced close)"},
			{3, "close", None, "websocket closed (forced close)"},
			{701, "advance", None, "websocket closed (forced close)"},
		},
		"a poll waits": {
			{1, "open polling", None, "polling @701"},
			{2, "get", None, "polling poll @701"},
			{3, "close", End, "polling poll closed (forced close)"},
			{3, "answered", None, "polling closed (forced close)"},
			{3, "get-aborted", None, "polling closed (forced close)"},
		},
		"the next poll fetches the close packet": {
			{1, "open polling", None, "polling @701"},
			{3, "close", End, "polling closing (forced close) @3003"},
			{4, "close", None, "polling closing (forced close) @3003"},
			{5, "advance", None, "polling closing (forced close) @3003"},
			{6, "get", End, "polling closed (forced close)"},
			{7, "get", RefuseBadRequest, "polling closed (forced close)"},
		},
		"no poll comes": {
			{1, "open polling", None, "polling @701"},
			{3, "close", End, "polling closing (forced close) @3003"},
			{701, "advance", None, "polling closing (forced close) @3003"},
			{3002, "advance", None, "polling closing (forced close) @3003"},
			{3003, "advance", End, "polling closed (forced close)"},
			{3004, "advance", None, "polling closed (forced close)"},
		},
		"a POST while closing is answered and dropped": {
			{1, "open polling", None, "polling @701"},
			{3, "close", End, "polling closing (forced close) @3003"},
			{4, "post", None, "polling post closing (forced close) @3003"},
			{5, "<- 4hi", None, "polling post closing (forced close) @3003"},
			{5, "<- 2", None, "polling post closing (forced close) @3003"},
			{5, "<- 7", None, "polling post closing (forced close) @3003"},
			{5, "done", None, "polling closing (forced close) @3003"},
			{6, "get", End, "polling closed (forced close)"},
		},
		"the running POST breaks off with the close": {
			{1, "open polling", None, "polling @701"},
			{2, "post", None, "polling post @701"},
			{3, "close", End, "polling post closing (forced close) @3003"},
			{3, "post-aborted", None, "polling closing (forced close) @3003"},
		},
		"the client closes while the server is closing": {
			{1, "open polling", None, "polling @701"},
			{3, "close", End, "polling closing (forced close) @3003"},
			{4, "post", None, "polling post closing (forced close) @3003"},
			{4, "<- 1", End, "polling post closed (forced close)"},
		},
		"no candidate while closing": {
			{1, "open polling", None, "polling @701"},
			{3, "close", End, "polling closing (forced close) @3003"},
			{4, "candidate", DropCandidate, "polling closing (forced close) @3003"},
			{5, "lost", End, "polling closed (forced close)"},
		},
	})
}
