package engineio

import "testing"

// PROTOCOL 1.6: the way it should go.
func TestUpgrade(t *testing.T) {
	runScripts(t, map[string]script{
		"as browsers do": {
			{1, "open polling", None, "polling @701"},
			{2, "get", None, "polling poll @701"},
			{3, "candidate", None, "polling poll arrived @701"},
			{4, "<~ 2probe", ReplyProbe, "polling poll probed @104"},
			{4, "answered", None, "polling probed @701"},
			{5, "<~ 5", Switch, "websocket @701"},
			{5, "<- 4hi", Deliver, "websocket @701"},
			{6, "get", RefuseBadRequest, "websocket @701"},
			{7, "candidate", DropCandidate, "websocket @701"},
			{8, "<~ 4from that candidate", None, "websocket @701"},
		},
		"a poll waits at the switch": {
			{1, "open polling", None, "polling @701"},
			{3, "candidate", None, "polling arrived @701"},
			{4, "<~ 2probe", ReplyProbe, "polling probed @701"},
			{5, "get", None, "polling poll probed @105"},
			{6, "<~ 5", Switch, "websocket poll @701"},
			{6, "answered", None, "websocket @701"},
		},
		"the waiting poll is broken off at the switch": {
			{1, "open polling", None, "polling @701"},
			{3, "candidate", None, "polling arrived @701"},
			{5, "get", None, "polling poll arrived @701"},
			{6, "<~ 5", Switch, "websocket poll @701"},
			{6, "get-aborted", None, "websocket @701"},
		},
		"messages go on by polling": {
			{1, "open polling", None, "polling @701"},
			{3, "candidate", None, "polling arrived @701"},
			{4, "<~ 2probe", ReplyProbe, "polling probed @701"},
			{5, "post", None, "polling post probed @701"},
			{5, "<- 4hi", Deliver, "polling post probed @701"},
			{5, "done", None, "polling probed @701"},
			{6, "<~ 5", Switch, "websocket @701"},
		},
		"5 without a probe": {
			// The reference server takes 5 without a probe, too.
			{1, "open polling", None, "polling @701"},
			{2, "get", None, "polling poll @701"},
			{3, "candidate", None, "polling poll arrived @701"},
			{4, "<~ 5", Switch, "websocket poll @701"},
		},
		"probes may be repeated": {
			{1, "open polling", None, "polling @701"},
			{3, "candidate", None, "polling arrived @701"},
			{4, "<~ 2probe", ReplyProbe, "polling probed @701"},
			{5, "<~ 2probe", ReplyProbe, "polling probed @701"},
			{6, "<~ 5", Switch, "websocket @701"},
		},
	})
}

// The client cannot send 5 before its poll is over: every 100 ms a poll is released.
func TestReleaseTick(t *testing.T) {
	runScripts(t, map[string]script{
		"every 100 ms": {
			{1, "open polling", None, "polling @701"},
			{2, "candidate", None, "polling arrived @701"},
			{3, "get", None, "polling poll arrived @701"},
			{10, "<~ 2probe", ReplyProbe, "polling poll probed @110"},
			{109, "advance", None, "polling poll probed @110"},
			{110, "advance", ReleasePoll, "polling poll probed @210"},
			{110, "answered", None, "polling probed @701"},
			{110, "advance", None, "polling probed @701"},
			{150, "get", None, "polling poll probed @250"},
			{250, "advance", ReleasePoll, "polling poll probed @350"},
		},
		"not before the probe": {
			{1, "open polling", None, "polling @701"},
			{2, "candidate", None, "polling arrived @701"},
			{3, "get", None, "polling poll arrived @701"},
			{700, "advance", None, "polling poll arrived @701"},
		},
		"a poll that the ping answers": {
			{1, "open polling", None, "polling @701"},
			{2, "candidate", None, "polling arrived @701"},
			{3, "<~ 2probe", ReplyProbe, "polling probed @701"},
			{690, "get", None, "polling poll probed @701"},
			{800, "advance", SendPing, "polling pinged poll probed @790"},
			{800, "answered", None, "polling pinged probed @1300"},
			{800, "advance", None, "polling pinged probed @1300"},
		},
		"not after the candidate is gone": {
			{1, "open polling", None, "polling @701"},
			{2, "candidate", None, "polling arrived @701"},
			{3, "get", None, "polling poll arrived @701"},
			{10, "<~ 2probe", ReplyProbe, "polling poll probed @110"},
			{11, "candidate-lost", None, "polling poll @701"},
			{110, "advance", None, "polling poll @701"},
		},
	})
}

// A failed attempt costs the candidate, never the session.
func TestUpgradeFails(t *testing.T) {
	runScripts(t, map[string]script{
		"the second candidate": {
			{1, "open polling", None, "polling @701"},
			{2, "candidate", None, "polling arrived @701"},
			{3, "candidate", DropCandidate, "polling arrived @701"},
			{4, "<~ 2probe", ReplyProbe, "polling probed @701"},
			{5, "candidate", DropCandidate, "polling probed @701"},
			{6, "<~ 5", Switch, "websocket @701"},
		},
		"something else first": {
			{1, "open polling", None, "polling @701"},
			{2, "candidate", None, "polling arrived @701"},
			{3, "<~ 4hi", DropCandidate, "polling @701"},
			{3, "<~ 5", None, "polling @701"},
			{4, "candidate", None, "polling arrived @701"},
			{5, "<~ 2", DropCandidate, "polling @701"},
			{6, "candidate", None, "polling arrived @701"},
			{7, "<~ 2probes", DropCandidate, "polling @701"},
			{8, "candidate", None, "polling arrived @701"},
			{9, "<~ bytes", DropCandidate, "polling @701"},
			{10, "candidate", None, "polling arrived @701"},
			{11, "<~ 1", DropCandidate, "polling @701"},
			{12, "get", None, "polling poll @701"},
		},
		"something else after the probe": {
			{1, "open polling", None, "polling @701"},
			{2, "candidate", None, "polling arrived @701"},
			{3, "<~ 2probe", ReplyProbe, "polling probed @701"},
			{3, "<~ 3", DropCandidate, "polling @701"},
		},
		"lost before 5": {
			{1, "open polling", None, "polling @701"},
			{2, "candidate", None, "polling arrived @701"},
			{3, "<~ 2probe", ReplyProbe, "polling probed @701"},
			{4, "candidate-lost", None, "polling @701"},
			{5, "candidate-lost", None, "polling @701"},
			{6, "get", None, "polling poll @701"},
			{7, "candidate", None, "polling poll arrived @701"},
			{8, "<~ 2probe", ReplyProbe, "polling poll probed @108"},
			{9, "<~ 5", Switch, "websocket poll @701"},
		},
		"too slow": {
			{1, "open polling", None, "polling @701"},
			{2, "get", None, "polling poll @701"},
			{10, "<- 3", None, "polling poll @1010"},
			{10, "candidate", None, "polling poll arrived @1010"},
			{900, "<- 3", None, "polling poll arrived @1900"},
			{1800, "<- 3", None, "polling poll arrived @2010"},
			{2009, "advance", None, "polling poll arrived @2010"},
			{2010, "advance", DropCandidate, "polling poll @2800"},
			{2010, "advance", None, "polling poll @2800"},
			{2011, "<~ 5", None, "polling poll @2800"},
			{2012, "candidate", None, "polling poll arrived @2800"},
		},
		"too slow after the probe": {
			{1, "open polling", None, "polling @701"},
			{10, "candidate", None, "polling arrived @701"},
			{11, "<~ 2probe", ReplyProbe, "polling probed @701"},
			{700, "<- 3", None, "polling probed @1700"},
			{1699, "<- 3", None, "polling probed @2010"},
			{2010, "advance", DropCandidate, "polling @2699"},
		},
		"opened on a websocket": {
			{1, "open websocket", None, "websocket @701"},
			{2, "candidate", DropCandidate, "websocket @701"},
		},
	})
}

// What happens to the session while it is upgrading.
func TestUpgradeRaces(t *testing.T) {
	runScripts(t, map[string]script{
		"a ping is due, its pong comes by the new wire": {
			{1, "open polling", None, "polling @701"},
			{690, "candidate", None, "polling arrived @701"},
			{691, "<~ 2probe", ReplyProbe, "polling probed @701"},
			{701, "advance", SendPing, "polling pinged probed @1201"},
			{702, "<~ 5", Switch, "websocket pinged @1201"},
			{703, "<- 3", None, "websocket @1703"},
		},
		"a ping is due, no pong comes": {
			// The reference server forgets this ping at the switch, and never pings a client again that misses it.
			{1, "open polling", None, "polling @701"},
			{690, "candidate", None, "polling arrived @701"},
			{701, "advance", SendPing, "polling pinged arrived @1201"},
			{702, "<~ 5", Switch, "websocket pinged @1201"},
			{1201, "advance", End, "websocket closed (ping timeout)"},
		},
		"the ping times out before the upgrade does": {
			{1, "open polling", None, "polling @701"},
			{701, "advance", SendPing, "polling pinged @1201"},
			{800, "candidate", None, "polling pinged arrived @1201"},
			{1201, "advance", End, "polling closed (ping timeout)"},
			{1202, "<~ 5", None, "polling closed (ping timeout)"},
		},
		"both are due": {
			{1, "open polling", None, "polling @701"},
			{2, "candidate", None, "polling arrived @701"},
			{5000, "advance", DropCandidate, "polling @701"},
			{5000, "advance", SendPing, "polling pinged @5500"},
			{5000, "advance", None, "polling pinged @5500"},
		},
		"a POST is overtaken by the switch": {
			{1, "open polling", None, "polling @701"},
			{2, "post", None, "polling post @701"},
			{3, "candidate", None, "polling post arrived @701"},
			{4, "<~ 5", Switch, "websocket @701"},
			{5, "done", None, "websocket @701"},
			{6, "post-aborted", None, "websocket @701"},
		},
		"the client closes by POST": {
			{1, "open polling", None, "polling @701"},
			{2, "candidate", None, "polling arrived @701"},
			{3, "<~ 2probe", ReplyProbe, "polling probed @701"},
			{4, "<- 1", End, "polling closed (transport close)"},
			{5, "<~ 5", None, "polling closed (transport close)"},
			{6, "candidate-lost", None, "polling closed (transport close)"},
		},
		"the poll is broken off": {
			{1, "open polling", None, "polling @701"},
			{2, "candidate", None, "polling arrived @701"},
			{3, "get", None, "polling poll arrived @701"},
			{4, "get-aborted", End, "polling closed (transport error)"},
		},
		"the server closes, a poll waits": {
			{1, "open polling", None, "polling @701"},
			{2, "candidate", None, "polling arrived @701"},
			{3, "<~ 2probe", ReplyProbe, "polling probed @701"},
			{4, "get", None, "polling poll probed @104"},
			{5, "close", End, "polling poll closed (forced close)"},
			{6, "<~ 5", None, "polling poll closed (forced close)"},
		},
		"the server closes, the switch completes it": {
			{1, "open polling", None, "polling @701"},
			{2, "candidate", None, "polling arrived @701"},
			{3, "<~ 2probe", ReplyProbe, "polling probed @701"},
			{5, "close", End, "polling probed closing (forced close) @2002"},
			{6, "<~ 2probe", ReplyProbe, "polling probed closing (forced close) @2002"},
			{7, "<~ 5", Switch, "websocket closing (forced close) @7"},
			{7, "<- 4hi", None, "websocket closing (forced close) @7"},
			{7, "get", RefuseBadRequest, "websocket closing (forced close) @7"},
			{7, "advance", End, "websocket closed (forced close)"},
			{7, "advance", None, "websocket closed (forced close)"},
		},
		"the server closes, the wire is lost right after the switch": {
			{1, "open polling", None, "polling @701"},
			{2, "candidate", None, "polling arrived @701"},
			{5, "close", End, "polling arrived closing (forced close) @2002"},
			{7, "<~ 5", Switch, "websocket closing (forced close) @7"},
			{7, "lost", End, "websocket closed (forced close)"},
		},
		"the server closes, a poll comes after all": {
			{1, "open polling", None, "polling @701"},
			{2, "candidate", None, "polling arrived @701"},
			{5, "close", End, "polling arrived closing (forced close) @2002"},
			{6, "get", End, "polling closed (forced close)"},
			{7, "<~ 5", None, "polling closed (forced close)"},
		},
		"the server closes, the upgrade fails": {
			{1, "open polling", None, "polling @701"},
			{2, "candidate", None, "polling arrived @701"},
			{5, "close", End, "polling arrived closing (forced close) @2002"},
			{2002, "advance", DropCandidate, "polling closing (forced close) @3005"},
			{3005, "advance", End, "polling closed (forced close)"},
		},
	})
}

// With AllowUpgrades off no candidate is welcome, whatever the client was told.
func TestUpgradesNotAllowed(t *testing.T) {
	set := testSettings
	set.AllowUpgrades = false
	script{
		{1, "open polling", None, "polling @701"},
		{2, "candidate", DropCandidate, "polling @701"},
		{3, "<~ 5", None, "polling @701"},
	}.run(t, set)
}
