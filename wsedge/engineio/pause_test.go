package engineio

import "testing"

// I4: a session that is not read is kept alive, and takes up its heartbeat where it is read again.
func TestPausedHeartbeat(t *testing.T) {
	runScripts(t, map[string]script{
		"pings go on without pongs": {
			{1, "open websocket", None, "websocket @701"},
			{100, "pause", None, "websocket paused @701"},
			{700, "advance", None, "websocket paused @701"},
			{701, "advance", SendPing, "websocket paused @1701"},
			{701, "advance", None, "websocket paused @1701"},
			{1750, "advance", SendPing, "websocket paused @2750"},
			{2750, "advance", SendPing, "websocket paused @3750"},
			{3000, "resume", None, "websocket @3750"},
			{3499, "<- 3", None, "websocket @3750"},
			{3750, "advance", SendPing, "websocket pinged @4250"},
			{4200, "<- 3", None, "websocket @5200"},
			{4201, "<- 3", None, "websocket @5200"},
		},
		"the next ping has to be answered": {
			{1, "open websocket", None, "websocket @701"},
			{701, "advance", SendPing, "websocket pinged @1201"},
			{1200, "pause", None, "websocket paused @1701"},
			{1600, "resume", None, "websocket @1701"},
			{1701, "advance", SendPing, "websocket pinged @2201"},
			{2200, "advance", None, "websocket pinged @2201"},
			{2201, "advance", End, "websocket closed (ping timeout)"},
		},
		"a short pause moves no ping": {
			{1, "open websocket", None, "websocket @701"},
			{100, "pause", None, "websocket paused @701"},
			{200, "resume", None, "websocket @701"},
		},
		"twice is once": {
			{1, "open websocket", None, "websocket @701"},
			{100, "resume", None, "websocket @701"},
			{701, "advance", SendPing, "websocket pinged @1201"},
			{702, "pause", None, "websocket paused @1701"},
			{703, "pause", None, "websocket paused @1701"},
			{704, "resume", None, "websocket @1701"},
			{800, "resume", None, "websocket @1701"},
		},
		"a pong that was on its way": {
			{1, "open websocket", None, "websocket @701"},
			{701, "advance", SendPing, "websocket pinged @1201"},
			{800, "pause", None, "websocket paused @1701"},
			{801, "<- 3", None, "websocket paused @1701"},
			{1701, "advance", SendPing, "websocket paused @2701"},
		},
		"revision 3 is answered unasked": {
			{1, "open v3 websocket", None, "websocket v3 @1501"},
			{1400, "pause", None, "websocket v3 paused @1650"},
			{1401, "<- 2", SendPong, "websocket v3 paused @1650"},
			{1650, "advance", SendPong, "websocket v3 paused @1900"},
			{1900, "advance", SendPong, "websocket v3 paused @2150"},
			{2000, "resume", None, "websocket v3 @3500"},
			{3500, "advance", End, "websocket v3 closed (ping timeout)"},
		},
	})
}

// PROTOCOL 1.7: a client that polls need not answer, but has to fetch what it is sent.
func TestPausedPolling(t *testing.T) {
	runScripts(t, map[string]script{
		"polls go on": {
			{1, "open polling", None, "polling @701"},
			{10, "get", None, "polling poll @701"},
			{20, "pause", None, "polling poll paused @701"},
			{701, "advance", SendPing, "polling poll paused unfetched @1201"},
			{701, "answered", None, "polling paused unfetched @1201"},
			{702, "get", None, "polling poll paused @1702"},
			{1702, "advance", SendPing, "polling poll paused unfetched @2202"},
			{1702, "answered", None, "polling paused unfetched @2202"},
			{1800, "get", None, "polling poll paused @2800"},
			{2000, "resume", None, "polling poll @2800"},
			{2400, "<- 3", None, "polling poll @2800"},
		},
		"nobody polls": {
			{1, "open polling", None, "polling @701"},
			{20, "pause", None, "polling paused @701"},
			{701, "advance", SendPing, "polling paused unfetched @1201"},
			{1201, "advance", End, "polling closed (ping timeout)"},
		},
		"somebody polls at last": {
			{1, "open polling", None, "polling @701"},
			{20, "pause", None, "polling paused @701"},
			{701, "advance", SendPing, "polling paused unfetched @1201"},
			{1200, "get", None, "polling poll paused @2200"},
		},
		"revision 3": {
			{1, "open v3 polling", None, "polling v3 @1501"},
			{20, "pause", None, "polling v3 paused @270"},
			{270, "advance", SendPong, "polling v3 paused unfetched @770"},
			{300, "get", None, "polling v3 poll paused @550"},
			{550, "advance", SendPong, "polling v3 poll paused unfetched @1050"},
			{550, "answered", None, "polling v3 paused unfetched @1050"},
			{1050, "advance", End, "polling v3 closed (ping timeout)"},
		},
		"closed meanwhile": {
			{1, "open polling", None, "polling @701"},
			{20, "pause", None, "polling paused @701"},
			{30, "close", End, "polling closing (forced close) @3030"},
			{40, "resume", None, "polling closing (forced close) @3030"},
			{50, "pause", None, "polling closing (forced close) @3030"},
			{60, "get", End, "polling closed (forced close)"},
		},
	})
}

// PROTOCOL 1.6: an upgrade is completed during a pause; it has all the time that the pause takes.
func TestPausedUpgrade(t *testing.T) {
	runScripts(t, map[string]script{
		"completed": {
			{1, "open polling", None, "polling @701"},
			{10, "get", None, "polling poll @701"},
			{20, "pause", None, "polling poll paused @701"},
			{30, "candidate", None, "polling poll arrived paused @701"},
			{40, "<~ 2probe", ReplyProbe, "polling poll probed paused @140"},
			{40, "answered", None, "polling probed paused @701"},
			{50, "<~ 5", Switch, "websocket paused @701"},
			{701, "advance", SendPing, "websocket paused @1701"},
			{1701, "advance", SendPing, "websocket paused @2701"},
			{2000, "resume", None, "websocket @2701"},
		},
		"a POST that is not answered holds it up": {
			{1, "open polling", None, "polling @701"},
			{10, "post", None, "polling post @701"},
			{20, "pause", None, "polling post paused @701"},
			{30, "candidate", None, "polling post arrived paused @701"},
			{40, "<~ 2probe", ReplyProbe, "polling post probed paused @701"},
			{701, "advance", SendPing, "polling post probed paused unfetched @1201"},
			{1201, "advance", SendPing, "polling post probed paused unfetched @1701"},
			{5000, "advance", SendPing, "polling post probed paused unfetched @5500"},
			{5400, "resume", None, "polling post probed @6000"},
			{5401, "done", None, "polling probed @6000"},
			{5402, "<~ 5", Switch, "websocket @6000"},
			{5403, "<- 3", None, "websocket @6000"},
		},
		"its time begins anew": {
			{1, "open polling", None, "polling @701"},
			{20, "pause", None, "polling paused @701"},
			{30, "candidate", None, "polling arrived paused @701"},
			{600, "resume", None, "polling arrived @701"},
			{701, "advance", SendPing, "polling pinged arrived @1201"},
			{702, "<- 3", None, "polling arrived @1702"},
			{1702, "advance", SendPing, "polling pinged arrived @2202"},
			{1703, "<- 3", None, "polling arrived @2600"},
			{2600, "advance", DropCandidate, "polling @2703"},
		},
		"revision 3": {
			{1, "open v3 polling", None, "polling v3 @1501"},
			{20, "pause", None, "polling v3 paused @270"},
			{30, "candidate", None, "polling v3 arrived paused @270"},
			{40, "<~ 5", Switch, "websocket v3 paused @270"},
			{270, "advance", SendPong, "websocket v3 paused @520"},
		},
	})
}
