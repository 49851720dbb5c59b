package engineio

import "testing"

// The timeouts of testSettings together: what a client of revision 3 has from one ping to the next is 1500.

// PROTOCOL 2.1: the client pings, the server answers.
func TestHeartbeatRevision3(t *testing.T) {
	runScripts(t, map[string]script{
		"ping after ping on a websocket": {
			{1, "open v3 websocket", None, "websocket v3 @1501"},
			{701, "advance", None, "websocket v3 @1501"},
			{1000, "<- 2", SendPong, "websocket v3 @2500"},
			{1000, "advance", None, "websocket v3 @2500"},
			{2499, "<- 2", SendPong, "websocket v3 @3999"},
			{2500, "advance", None, "websocket v3 @3999"},
		},
		"no ping at all": {
			{1, "open v3 websocket", None, "websocket v3 @1501"},
			{1500, "advance", None, "websocket v3 @1501"},
			{1501, "advance", End, "websocket v3 closed (ping timeout)"},
			{1502, "<- 2", None, "websocket v3 closed (ping timeout)"},
			{1503, "advance", None, "websocket v3 closed (ping timeout)"},
		},
		"the pings stop": {
			{1, "open v3 websocket", None, "websocket v3 @1501"},
			{500, "<- 2", SendPong, "websocket v3 @2000"},
			{2000, "advance", End, "websocket v3 closed (ping timeout)"},
		},
		"pings as fast as they come": {
			{1, "open v3 websocket", None, "websocket v3 @1501"},
			{2, "<- 2", SendPong, "websocket v3 @1502"},
			{2, "<- 2", SendPong, "websocket v3 @1502"},
			{3, "<- 2", SendPong, "websocket v3 @1503"},
		},
		"a ping with data is a ping": {
			{1, "open v3 websocket", None, "websocket v3 @1501"},
			{2, "<- 2probe", SendPong, "websocket v3 @1502"},
			{3, "<- 2x", SendPong, "websocket v3 @1503"},
			{4, "<- binary 2probe", SendPong, "websocket v3 @1504"},
		},
		"messages are no ping": {
			{1, "open v3 websocket", None, "websocket v3 @1501"},
			{1400, "<- 4hi", Deliver, "websocket v3 @1501"},
			{1401, "<- bytes", Deliver, "websocket v3 @1501"},
			{1402, "<- 6", None, "websocket v3 @1501"},
			{1501, "advance", End, "websocket v3 closed (ping timeout)"},
		},
		"a client's pong": {
			{1, "open v3 websocket", None, "websocket v3 @1501"},
			{2, "<- 3", End, "websocket v3 closed (transport error)"},
		},
		"a client's pong by POST": {
			{1, "open v3 polling", None, "polling v3 @1501"},
			{2, "get", None, "polling v3 poll @1501"},
			{3, "post", None, "polling v3 poll post @1501"},
			{3, "<- 3probe", End, "polling v3 poll post closed (transport error)"},
			{3, "<- 2", None, "polling v3 poll post closed (transport error)"},
		},
		"on polling": {
			{1, "open v3 polling", None, "polling v3 @1501"},
			{2, "post", None, "polling v3 post @1501"},
			{2, "<- 2", SendPong, "polling v3 post @1502"},
			{2, "done", None, "polling v3 @1502"},
			{3, "get", None, "polling v3 poll @1502"},
			{900, "post", None, "polling v3 poll post @1502"},
			{900, "<- 2", SendPong, "polling v3 poll post @2400"},
			{900, "answered", None, "polling v3 post @2400"},
			{900, "done", None, "polling v3 @2400"},
			{901, "get", None, "polling v3 poll @2400"},
			{2400, "advance", End, "polling v3 poll closed (ping timeout)"},
			{2400, "answered", None, "polling v3 closed (ping timeout)"},
		},
		"the server closes, then no pong": {
			{1, "open v3 polling", None, "polling v3 @1501"},
			{2, "close", End, "polling v3 closing (forced close) @3002"},
			{3, "post", None, "polling v3 post closing (forced close) @3002"},
			{3, "<- 2", None, "polling v3 post closing (forced close) @3002"},
			{3, "<- 3", None, "polling v3 post closing (forced close) @3002"},
			{3, "done", None, "polling v3 closing (forced close) @3002"},
			{3002, "advance", End, "polling v3 closed (forced close)"},
		},
	})
}

// PROTOCOL 2.8: the reference server stops watching a client of revision 3 once it has upgraded, and keeps its dead
// session for ever. Here the time begins anew with the upgrade and goes on with each ping.
func TestReferenceDefect28DeadUpgradedClientOfRevision3IsNoticed(t *testing.T) {
	runScripts(t, map[string]script{
		"it never pings": {
			{1, "open v3 polling", None, "polling v3 @1501"},
			{1000, "candidate", None, "polling v3 arrived @1501"},
			{1001, "<~ 2probe", ReplyProbe, "polling v3 probed @1501"},
			{1002, "<~ 5", Switch, "websocket v3 @2502"},
			{1501, "advance", None, "websocket v3 @2502"},
			{2501, "advance", None, "websocket v3 @2502"},
			{2502, "advance", End, "websocket v3 closed (ping timeout)"},
		},
		"it pings once": {
			{1, "open v3 polling", None, "polling v3 @1501"},
			{2, "candidate webtransport", None, "polling v3 arrived (webtransport) @1501"},
			{3, "<~ 2probe", ReplyProbe, "polling v3 probed (webtransport) @1501"},
			{4, "<~ 5", Switch, "webtransport v3 @1504"},
			{1000, "<- 2", SendPong, "webtransport v3 @2500"},
			{2500, "advance", End, "webtransport v3 closed (ping timeout)"},
		},
		"it dies while it upgrades": {
			{1, "open v3 polling", None, "polling v3 @1501"},
			{2, "candidate", None, "polling v3 arrived @1501"},
			{3, "<~ 2probe", ReplyProbe, "polling v3 probed @1501"},
			{1501, "advance", End, "polling v3 closed (ping timeout)"},
			{1502, "<~ 5", None, "polling v3 closed (ping timeout)"},
		},
	})
}

// PROTOCOL 1.6, 2.1: revision 3 upgrades as revision 4 does.
func TestUpgradeRevision3(t *testing.T) {
	runScripts(t, map[string]script{
		"as browsers do": {
			{1, "open v3 polling", None, "polling v3 @1501"},
			{2, "get", None, "polling v3 poll @1501"},
			{3, "candidate", None, "polling v3 poll arrived @1501"},
			{4, "<~ 2probe", ReplyProbe, "polling v3 poll probed @104"},
			{4, "answered", None, "polling v3 probed @1501"},
			{5, "<~ 5", Switch, "websocket v3 @1505"},
			{5, "<- 4hi", Deliver, "websocket v3 @1505"},
		},
		"a ping on the candidate is no probe": {
			{1, "open v3 polling", None, "polling v3 @1501"},
			{3, "candidate", None, "polling v3 arrived @1501"},
			{4, "<~ 2", DropCandidate, "polling v3 @1501"},
		},
		"bytes are no probe": {
			{1, "open v3 polling", None, "polling v3 @1501"},
			{3, "candidate", None, "polling v3 arrived @1501"},
			{4, "<~ binary 2probe", DropCandidate, "polling v3 @1501"},
		},
		"a closing session is closed by the switch": {
			{1, "open v3 polling", None, "polling v3 @1501"},
			{2, "candidate", None, "polling v3 arrived @1501"},
			{3, "<~ 2probe", ReplyProbe, "polling v3 probed @1501"},
			{5, "close", End, "polling v3 probed closing (forced close) @2002"},
			{7, "<~ 5", Switch, "websocket v3 closing (forced close) @7"},
			{7, "advance", End, "websocket v3 closed (forced close)"},
		},
	})
}

// PROTOCOL 1.10: a WebTransport stream takes over as a WebSocket does.
func TestUpgradeToWebTransport(t *testing.T) {
	runScripts(t, map[string]script{
		"probe and switch": {
			{1, "open polling", None, "polling @701"},
			{2, "get", None, "polling poll @701"},
			{3, "candidate webtransport", None, "polling poll arrived (webtransport) @701"},
			{4, "<~ 2probe", ReplyProbe, "polling poll probed (webtransport) @104"},
			{104, "advance", ReleasePoll, "polling poll probed (webtransport) @204"},
			{104, "answered", None, "polling probed (webtransport) @701"},
			{105, "<~ 5", Switch, "webtransport @701"},
			{701, "advance", SendPing, "webtransport pinged @1201"},
			{702, "<- 3", None, "webtransport @1702"},
			{703, "get", RefuseBadRequest, "webtransport @1702"},
			{704, "post", RefuseBadRequest, "webtransport @1702"},
		},
		"one candidate at a time, whatever it is": {
			{1, "open polling", None, "polling @701"},
			{2, "candidate webtransport", None, "polling arrived (webtransport) @701"},
			{3, "candidate websocket", DropCandidate, "polling arrived (webtransport) @701"},
			{4, "candidate webtransport", DropCandidate, "polling arrived (webtransport) @701"},
			{5, "candidate-lost", None, "polling @701"},
			{6, "candidate websocket", None, "polling arrived @701"},
			{7, "candidate webtransport", DropCandidate, "polling arrived @701"},
			{8, "<~ 5", Switch, "websocket @701"},
		},
		"the second attempt is another transport": {
			{1, "open polling", None, "polling @701"},
			{2, "candidate webtransport", None, "polling arrived (webtransport) @701"},
			{3, "<~ 2probe", ReplyProbe, "polling probed (webtransport) @701"},
			{4, "<~ 4hi", DropCandidate, "polling @701"},
			{5, "candidate websocket", None, "polling arrived @701"},
			{6, "get", None, "polling poll arrived @701"},
			{700, "<~ 5", Switch, "websocket poll @701"},
		},
		"only polling upgrades": {
			{1, "open websocket", None, "websocket @701"},
			{2, "candidate webtransport", DropCandidate, "websocket @701"},
			{3, "candidate websocket", DropCandidate, "websocket @701"},
			{4, "open webtransport", None, "webtransport @704"},
			{5, "candidate webtransport", DropCandidate, "webtransport @704"},
			{6, "candidate websocket", DropCandidate, "webtransport @704"},
		},
		"not after the switch": {
			{1, "open polling", None, "polling @701"},
			{2, "candidate websocket", None, "polling arrived @701"},
			{3, "<~ 5", Switch, "websocket @701"},
			{4, "candidate webtransport", DropCandidate, "websocket @701"},
		},
		"polling is no candidate": {
			{1, "open polling", None, "polling @701"},
			{2, "candidate polling", DropCandidate, "polling @701"},
			{3, "candidate nothing", DropCandidate, "polling @701"},
		},
		"a session that begins on it": {
			{1, "open webtransport", None, "webtransport @701"},
			{2, "<- 4hi", Deliver, "webtransport @701"},
			{3, "close", End, "webtransport closed (forced close)"},
		},
	})
}

func TestRevision(t *testing.T) {
	for _, rev := range []Revision{Revision3, Revision4} {
		var s Session
		s.Open(&testSettings, Polling, rev, 1, 700)
		s.Close(ForcedClose, 2)
		if s.Revision() != rev {
			t.Errorf("%d became %d", rev, s.Revision())
		}
	}
}
