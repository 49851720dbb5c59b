package service

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// desk asks Admissions and keeps the verdicts.
type desk struct {
	*Admissions
	t *testing.T

	mu       sync.Mutex // guards the following
	verdicts map[string][]string
}

// newDesk has room for 4 questions.
func newDesk(t *testing.T, policy Policy) *desk {
	t.Helper()
	cfg := Config{Admission: AdmissionConfig{Policy: policy, MaxPending: 4, MaxPendingBytes: 10_000}}.withDefaults()
	return &desk{Admissions: newAdmissions(cfg.Admission), t: t, verdicts: map[string][]string{}}
}

func question(namespace, auth string) *rooms.Question {
	return &rooms.Question{Namespace: namespace, Socket: testID, Auth: []byte(auth), Handshake: &rooms.Handshake{}}
}

// brief is a verdict in short: "in ann" or "out message".
func brief(v rooms.Verdict) string {
	if v.Refused {
		return "out " + v.Message
	}
	return "in " + v.User
}

// ask asks with auth as the question's name, and keeps the verdict under it.
func (d *desk) ask(namespace, auth string) {
	keep := func(v rooms.Verdict) {
		d.mu.Lock()
		d.verdicts[auth] = append(d.verdicts[auth], brief(v))
		d.mu.Unlock()
		d.Stats() // no lock is held
	}
	if v, ok := d.Admit(question(namespace, auth), keep); ok {
		keep(v)
	}
}

// want checks the verdict on a question; "" is none so far.
func (d *desk) want(auth, want string) {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if got := strings.Join(d.verdicts[auth], ", "); got != want {
		d.t.Errorf("question %q: verdict %q, want %q", auth, got, want)
	}
}

func (d *desk) attached(namespaces ...string) *attachment {
	d.t.Helper()
	at, err := d.attach(namespaces, false)
	if err != nil {
		d.t.Fatal(err)
	}
	return at
}

// taken returns the names of the questions that at is asked now, and their ids.
func (d *desk) taken(at *attachment) (names []string, ids map[string]uint64) {
	ids = map[string]uint64{}
	for {
		q, ok := d.take(at)
		if !ok {
			return names, ids
		}
		names = append(names, string(q.question.Auth))
		ids[string(q.question.Auth)] = q.id
	}
}

// wantTaken checks whom at is asked about.
func (d *desk) wantTaken(at *attachment, want ...string) map[string]uint64 {
	d.t.Helper()
	names, ids := d.taken(at)
	if !slices.Equal(names, want) {
		d.t.Errorf("asked about %q, want %q", names, want)
	}
	return ids
}

func (d *desk) wantStats(want AdmissionStats) {
	d.t.Helper()
	if got := d.Stats(); got != want {
		d.t.Errorf("stats %+v, want %+v", got, want)
	}
	if len(d.open) == 0 && d.bytes != 0 {
		d.t.Errorf("%d bytes of no questions", d.bytes)
	}
}

func TestAdmitWithNobodyAttached(t *testing.T) {
	for policy, want := range map[Policy]string{"": "in ", PolicyAllow: "in ", PolicyDeny: "out admission unavailable"} {
		d := newDesk(t, policy)
		other := d.attached("/other")
		d.ask("/", "a")
		d.want("a", want)
		d.wantTaken(other)
		d.wantStats(AdmissionStats{Attached: 1, Unattended: 1})
	}
}

func TestAdmitAsksInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, PolicyDeny)
		all, chat, both := d.attached(), d.attached("/chat"), d.attached("/chat", "/")
		for i := range 4 {
			d.ask("/", strconv.Itoa(i))
		}
		first := d.wantTaken(all, "0", "2")
		second := d.wantTaken(both, "1", "3")
		d.wantTaken(chat)
		d.answer(all, first["0"], rooms.Verdict{User: "ann"})
		d.answer(both, second["1"], rooms.Verdict{Refused: true, Message: "no"})
		d.want("0", "in ann")
		d.want("1", "out no")
		d.want("2", "")
		d.wantStats(AdmissionStats{Attached: 3, Open: 2, Accepted: 1, Refused: 1})
		d.shutdown()
	})
}

func TestAdmitAnswersOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, PolicyDeny)
		at, other := d.attached(), d.attached("/chat")
		d.ask("/", "a")
		id := d.wantTaken(at, "a")["a"]
		d.answer(other, id, rooms.Verdict{User: "another's"}) // was not asked
		d.answer(at, id+1, rooms.Verdict{User: "nobody's"})
		d.answer(at, 0, rooms.Verdict{User: "nobody's"})
		d.want("a", "")
		d.answer(at, id, rooms.Verdict{User: "ann"})
		d.answer(at, id, rooms.Verdict{User: "bob"})
		d.fail(at, id)
		time.Sleep(time.Minute)
		d.want("a", "in ann")
		d.wantStats(AdmissionStats{Attached: 2, Accepted: 1, Ignored: 5})
	})
}

func TestAdmitTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, PolicyAllow)
		at := d.attached()
		d.ask("/", "a")
		time.Sleep(2 * time.Second)
		d.ask("/", "b")
		d.ask("/", "c")
		ids := d.wantTaken(at, "a", "b", "c")
		d.answer(at, ids["b"], rooms.Verdict{})
		time.Sleep(3*time.Second - 1)
		synctest.Wait()
		d.want("a", "")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		d.want("a", "out admission timed out")
		d.want("c", "")
		d.answer(at, ids["a"], rooms.Verdict{}) // too late
		time.Sleep(2 * time.Second)
		synctest.Wait()
		d.want("b", "in ")
		d.want("c", "out admission timed out")
		d.wantStats(AdmissionStats{Attached: 1, Accepted: 1, TimedOut: 2, Ignored: 1})

		d.ask("/", "d") // the timer runs again after it had nothing to do
		time.Sleep(5 * time.Second)
		synctest.Wait()
		d.want("d", "out admission timed out")
		d.wantTaken(at) // nobody is asked about what is settled
	})
}

// A service that leaves hands on what it was asked, in order, sent or not; the time limit stays.
func TestAdmitHandsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, PolicyDeny)
		dies, chat := d.attached(), d.attached("/chat")
		d.ask("/", "a")
		d.ask("/chat", "b") // asked of chat
		d.ask("/", "c")
		d.wantTaken(dies, "a", "c")
		d.ask("/", "d")
		time.Sleep(4 * time.Second)
		lives := d.attached()
		d.detach(dies)
		d.detach(dies)
		ids := d.wantTaken(lives, "a", "c", "d")
		d.wantTaken(chat, "b")
		select {
		case <-lives.wake:
		default:
			t.Error("it is not told that there is something to do")
		}
		d.answer(dies, ids["a"], rooms.Verdict{User: "a ghost's"})
		d.answer(lives, ids["a"], rooms.Verdict{User: "ann"})
		time.Sleep(time.Second)
		synctest.Wait()
		d.want("a", "in ann")
		d.want("c", "out admission timed out")
		d.want("d", "out admission timed out")
		d.wantStats(AdmissionStats{Attached: 2, Accepted: 1, TimedOut: 3, HandedOn: 3, Ignored: 1})
	})
}

// With nobody to hand on to, the policy decides.
func TestAdmitLastOneLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for policy, want := range map[Policy]string{PolicyAllow: "in ", PolicyDeny: "out admission unavailable"} {
			d := newDesk(t, policy)
			at, chat := d.attached(), d.attached("/chat")
			d.ask("/", "a")
			d.ask("/", "b")
			d.wantTaken(at, "a", "b")
			d.detach(at)
			d.want("a", want)
			d.want("b", want)
			d.wantTaken(chat)
			d.wantStats(AdmissionStats{Attached: 1, Unattended: 2})
		}
	})
}

// The turn stays where it is when others come and go.
func TestAdmitTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, PolicyDeny)
		a, b, c := d.attached(), d.attached(), d.attached()
		d.ask("/", "0")
		d.ask("/", "1")
		d.answer(a, d.wantTaken(a, "0")["0"], rooms.Verdict{})
		d.detach(a) // before the one whose turn it is
		d.ask("/", "2")
		d.wantTaken(c, "2")
		d.ask("/", "3")
		d.wantTaken(b, "1", "3")
		d.shutdown()
	})
}

func TestAdmitFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, PolicyAllow)
		at := d.attached()
		d.ask("/", "a")
		d.fail(at, d.wantTaken(at, "a")["a"])
		d.want("a", "out admission failed")
		d.wantStats(AdmissionStats{Attached: 1, Failed: 1})
	})
}

// An answer that guesses the id of a question that was not sent counts, and the question is not sent any more.
func TestAdmitAnsweredBeforeAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, PolicyDeny)
		at := d.attached()
		d.ask("/", "a")
		d.answer(at, 1, rooms.Verdict{User: "ann"})
		d.want("a", "in ann")
		d.wantTaken(at)
	})
}

// I4: open questions are bounded in number and in bytes.
func TestI4QuestionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, PolicyAllow)
		at := d.attached()
		for i := range 4 {
			d.ask("/", strconv.Itoa(i))
		}
		d.ask("/", "one too many")
		d.want("one too many", "out admission overloaded")
		d.answer(at, d.wantTaken(at, "0", "1", "2", "3")["3"], rooms.Verdict{})
		d.ask("/", "fits again")
		d.want("fits again", "")
		time.Sleep(time.Minute)
		synctest.Wait()

		large := strings.Repeat("x", 8_000)
		d.ask("/", large)
		d.ask("/", large+"y")
		d.want(large, "")
		d.want(large+"y", "out admission overloaded")
		time.Sleep(time.Minute)
		synctest.Wait()
		d.wantStats(AdmissionStats{Attached: 1, Accepted: 1, TimedOut: 5, Overloaded: 2})
	})
}

func TestQuestionSize(t *testing.T) {
	q := question("/", "12345")
	q.Handshake = &rooms.Handshake{URL: "123", Headers: []rooms.Header{{Name: "12", Value: "1234"}}}
	if got := questionSize(q); got != questionOverhead+14 {
		t.Errorf("%d bytes", got)
	}
}

func TestAdmissionsShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, PolicyAllow)
		at := d.attached()
		d.ask("/", "a")
		d.ask("/", "b")
		d.shutdown()
		d.shutdown()
		d.ask("/", "c")
		for _, name := range []string{"a", "b", "c"} {
			d.want(name, "out admission unavailable")
		}
		d.wantTaken(at)
		if _, err := d.attach(nil, true); err == nil {
			t.Error("attached after shutdown")
		}
		d.detach(at)
	})
}

// serve attaches, answers some of what it is asked twice and some badly, and leaves.
func (d *desk) serve(user string, round uint64) {
	at := d.attached()
	defer d.detach(at)
	_, ids := d.taken(at)
	for _, id := range ids {
		switch (id + round) % 4 {
		case 0:
			d.answer(at, id, rooms.Verdict{User: user})
			d.answer(at, id, rooms.Verdict{Refused: true})
		case 1:
			d.fail(at, id)
		}
	}
}

// Every question has exactly one verdict, whatever services do meanwhile.
func TestAdmitRaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const askers, questions = 4, 200
		d := &desk{Admissions: newAdmissions(Config{}.withDefaults().Admission), t: t, verdicts: map[string][]string{}}
		var asking, serving sync.WaitGroup
		stop := make(chan struct{})
		for service := range 4 {
			serving.Go(func() {
				for round := uint64(0); ; round++ {
					d.serve(strconv.Itoa(service), round)
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		for asker := range askers {
			asking.Go(func() {
				for i := range questions {
					d.ask("/", strconv.Itoa(asker)+" "+strconv.Itoa(i))
				}
			})
		}
		asking.Wait()
		close(stop)
		serving.Wait()
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(d.verdicts) != askers*questions {
			t.Errorf("%d questions have a verdict", len(d.verdicts))
		}
		for name, verdicts := range d.verdicts {
			if len(verdicts) != 1 {
				t.Errorf("question %q has verdicts %q", name, verdicts)
			}
		}
		if d.order[0].Len()+len(d.open)+d.bytes != 0 {
			t.Errorf("%d questions are left, %d bytes", len(d.open), d.bytes)
		}
	})
}
