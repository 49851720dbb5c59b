package engineio

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// walk drives a Session at random, as an owner with a hostile client would, and checks what must hold whatever happens.
type walk struct {
	s    Session
	set  Settings
	now  Millis
	ends int
	beat Millis // revision 3: when the client pinged last, or opened, or upgraded

	// Before the last call.
	was Session
}

// call makes one thing happen and checks the answer.
func (w *walk) call(t *rapid.T, what string) Action {
	w.was = w.s
	a := happen(&w.s, &w.set, what, w.now)
	if a == End {
		w.ends++
	}
	if a == SendPong || a == Switch || what == "resume" && w.was.Paused() {
		w.beat = w.now
	}
	w.checkAction(t, what, a)
	w.checkState(t, what)
	// The owner carries out what answers a poll.
	if (a == SendPing || a == SendPong || a == ReplyProbe || a == ReleasePoll || a == Switch || a == End) && w.s.PollWaiting() {
		w.s.PollAnswered()
	}
	if a == Switch {
		w.settle(t)
	}
	return a
}

func (w *walk) checkAction(t *rapid.T, what string, a Action) {
	newcomer := strings.HasPrefix(what, "candidate ")
	allowed := true
	switch a {
	case Deliver, ReleasePoll:
		allowed = !w.was.Closed()
	case SendPing:
		allowed = !w.was.Closed() && w.s.Revision() == Revision4
	case SendPong:
		allowed = !w.was.Closed() && w.s.Revision() == Revision3 && (strings.HasPrefix(what, "<- 2") || w.was.Paused() && what == "advance")
	case ReplyProbe, Switch:
		allowed = !w.was.over() && w.was.candidate != noCandidate
	case DropCandidate:
		allowed = newcomer || !w.was.over() && w.was.candidate != noCandidate
	case End:
		allowed = !w.was.Closed() || w.was.Closing()
		if w.was.Paused() && what == "advance" { // only a client that polls is given up
			allowed = w.was.phase == unfetched && w.was.candidate == noCandidate
		}
	case RefuseBadRequest:
		allowed = what == "get" || what == "post"
	}
	if !allowed {
		t.Fatalf("%d %s: %v in %s", w.now, what, a, describe(&w.was))
	}
	if a == Switch && (w.was.Transport() != Polling || w.s.Transport() != w.was.candidate) {
		t.Fatalf("%d %s: switched from %s to %s", w.now, what, describe(&w.was), describe(&w.s))
	}
	if want := transportNamed(strings.TrimPrefix(what, "candidate ")); newcomer && a == None && w.s.candidate != want {
		t.Fatalf("%d %s: %s", w.now, what, describe(&w.s))
	}
	if a != Switch && w.was.Transport() != w.s.Transport() {
		t.Fatalf("%d %s: changed the transport without Switch", w.now, what)
	}
}

func (w *walk) checkState(t *rapid.T, what string) {
	s := &w.s
	rev4 := s.Revision() == Revision4
	lifetime := w.set.PingInterval + w.set.PingTimeout
	for rule, broken := range map[string]bool{
		"an open or closing session has a deadline":  !s.over() && s.Deadline() <= 0,
		"a session that is over has none":            s.over() && s.Deadline() != 0,
		"closed stays closed":                        w.was.Closed() && !s.Closed(),
		"closing does not come back":                 w.was.over() && s.Closing(),
		"closing is closed":                          s.Closing() && !s.Closed(),
		"one End, two after closing":                 s.Closed() != (w.ends > 0) || w.ends > 2 || s.Closing() && w.ends != 1,
		"the first reason stays":                     w.was.Reason() != 0 && s.Reason() != w.was.Reason(),
		"a reason exactly when closed":               s.Closed() != (s.Reason() != 0),
		"candidates only beside polling":             s.candidate != noCandidate && s.Transport() != Polling,
		"probes are candidates'":                     s.release != 0 && s.candidate == noCandidate,
		"the revision stays":                         s.Revision() != w.was.Revision(),
		"a client of revision 3 has its time":        !rev4 && !s.Closed() && !s.Paused() && s.due != w.beat+lifetime,
		"no candidate when over":                     s.candidate != noCandidate && s.over(),
		"a POST counts only on polling":              s.PostRunning() && s.Transport() != Polling,
		"no poll waits while closing":                s.Closing() && s.PollWaiting(),
		"a pinged session has at most its timeout":   rev4 && s.awaiting && !s.Closed() && !s.Paused() && s.due > w.now+w.set.PingTimeout,
		"what is paused is open":                     s.Paused() && s.Closed(),
		"a pause does not end by itself":             w.was.Paused() && !s.Paused() && !s.Closed() && what != "resume",
		"the next ping is at most an interval ahead": rev4 && !s.Closed() && s.due > w.now+w.set.PingInterval,
	} {
		if broken {
			t.Fatalf("%d %s: %q broken: %s, before %s", w.now, what, rule, describe(s), describe(&w.was))
		}
	}
}

// settle tells the session the time until it has nothing to say, which is soon, and then its deadline lies ahead.
func (w *walk) settle(t *rapid.T) {
	for range 5 {
		if w.call(t, "advance") == None {
			if d := w.s.Deadline(); d != 0 && d <= w.now {
				t.Fatalf("%d: idle, but the deadline is %d: %s", w.now, d, describe(&w.s))
			}
			return
		}
	}
	t.Fatalf("%d: no end of actions: %s", w.now, describe(&w.s))
}

func TestSessionWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &walk{now: 1, beat: 1, set: testSettings}
		w.set.AllowUpgrades = rapid.IntRange(0, 9).Draw(t, "allow") > 0
		transport := rapid.SampledFrom([]string{"polling", "polling", "polling", "websocket", "webtransport"}).Draw(t, "open")
		alive, wrong := "<- 3", "<- 2"
		if rapid.Bool().Draw(t, "old") {
			transport, alive, wrong = "v3 "+transport, wrong, alive
		}
		happen(&w.s, &w.set, "open "+transport, w.now)
		pick := func(label string, events ...string) func(*rapid.T) {
			return func(t *rapid.T) { w.call(t, rapid.SampledFrom(events).Draw(t, label)) }
		}
		events := map[string]func(*rapid.T){
			"time": func(t *rapid.T) {
				w.now += Millis(rapid.IntRange(0, 700).Draw(t, "ms"))
				w.settle(t)
			},
			"deadline": func(t *rapid.T) {
				w.now = max(w.now, w.s.Deadline())
				w.settle(t)
			},
			"poll":    func(t *rapid.T) { w.call(t, map[bool]string{false: "get", true: "answered"}[w.s.PollWaiting()]) },
			"post":    func(t *rapid.T) { w.call(t, map[bool]string{false: "post", true: "done"}[w.s.PostRunning()]) },
			"alive":   pick("alive", alive, alive+"probe"),
			"data":    pick("packet", "<- 4hi", "<- bytes", "<- 0", "<- 5", "<- 6"),
			"pause":   pick("pause", "pause", "resume"),
			"upgrade": pick("upgrade", "candidate websocket", "candidate webtransport", "<~ 2probe", "<~ 5"),
			"trouble": pick("trouble", "candidate-lost", "candidate-lost", "candidate-lost", "<~ 4hi", "<~ 3", "<~ binary 2probe",
				"get", "post", "get-aborted", "post-aborted", "lost", "close", "close", "close", "<- 1", wrong, "<- 7"),
		}
		t.Repeat(events)
		// Left alone, a session comes to its end, once it is read.
		w.call(t, "resume")
		for range 10 {
			w.now = max(w.now, w.s.Deadline())
			w.settle(t)
		}
		if !w.s.over() {
			t.Fatalf("%d: never over: %s", w.now, describe(&w.s))
		}
	})
}
