package service

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
)

// handshake is a question about one.
func handshake() *rooms.Question {
	return &rooms.Question{Handshake: &rooms.Handshake{}, Transport: "polling"}
}

// shake asks about a handshake and keeps the verdict under the name. The function it returns is the client that goes.
func (d *desk) shake(name string) (goes context.CancelFunc) {
	ctx, cancel := context.WithCancel(d.t.Context())
	go func() { // ends with the verdict
		v := d.AdmitHandshake(ctx, handshake())
		d.mu.Lock()
		defer d.mu.Unlock()
		d.verdicts[name] = append(d.verdicts[name], brief(v))
	}()
	synctest.Wait()
	return cancel
}

// doorkeeper attaches for handshakes, too.
func (d *desk) doorkeeper(namespaces ...string) *attachment {
	d.t.Helper()
	at, err := d.attach(namespaces, true)
	if err != nil {
		d.t.Fatal(err)
	}
	return at
}

// nextID returns the id of the question that at is asked now, 0 if it is asked none.
func (d *desk) nextID(at *attachment) uint64 {
	q, _ := d.take(at)
	return q.id
}

// Handshakes are asked about while somebody wants to be asked, or the policy is to keep them out.
func TestAsksHandshakes(t *testing.T) {
	for policy, alone := range map[Policy]bool{PolicyAllow: false, "": false, PolicyDeny: true} {
		cfg := Config{Admission: AdmissionConfig{HandshakePolicy: policy}}.withDefaults()
		d := &desk{Admissions: newAdmissions(cfg.Admission), t: t}
		want := func(when string, want bool) {
			t.Helper()
			if got := d.AsksHandshakes(); got != want {
				t.Errorf("policy %q, %s: %t", policy, when, got)
			}
		}
		want("nobody is attached", alone)
		other := d.attached()
		want("one for namespaces", alone)
		first, second := d.doorkeeper(), d.doorkeeper("/chat")
		want("two", true)
		d.detach(first)
		d.detach(first)
		d.detach(other)
		want("the second", true)
		d.detach(second)
		want("nobody any more", alone)
		d.shutdown()
		want("after the end", true)
	}
}

// With nobody attached for handshakes their own policy decides, whoever answers for namespaces.
func TestHandshakePolicies(t *testing.T) {
	for _, c := range []struct {
		sockets, handshakes Policy
		socket, handshake   string
	}{
		{PolicyAllow, PolicyAllow, "in ", "in "},
		{PolicyAllow, PolicyDeny, "in ", "out admission unavailable"},
		{PolicyDeny, PolicyAllow, "out admission unavailable", "in "},
		{PolicyDeny, PolicyDeny, "out admission unavailable", "out admission unavailable"},
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg := Config{Admission: AdmissionConfig{Policy: c.sockets, HandshakePolicy: c.handshakes}}.withDefaults()
			d := &desk{Admissions: newAdmissions(cfg.Admission), t: t, verdicts: map[string][]string{}}
			other := d.attached("/other")
			d.ask("/", "socket")
			d.shake("handshake")
			d.want("socket", c.socket)
			d.want("handshake", c.handshake)
			d.wantTaken(other)
			d.wantStats(AdmissionStats{Attached: 1, Unattended: 2})
		})
	}
}

func TestHandshakesAreAskedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, PolicyDeny)
		a, sockets, b := d.doorkeeper("/chat"), d.attached(), d.doorkeeper("/other")
		for i := range 3 {
			d.shake(strconv.Itoa(i))
		}
		d.answer(a, d.nextID(a), rooms.Verdict{})
		d.answer(b, d.nextID(b), rooms.Verdict{Refused: true, Message: "no"})
		d.fail(a, d.nextID(a))
		synctest.Wait()
		d.want("0", "in ")
		d.want("1", "out no")
		d.want("2", "out admission failed")
		d.wantTaken(sockets)
		d.wantStats(AdmissionStats{Attached: 3, Accepted: 1, Refused: 1, Failed: 1})
	})
}

// A group without room concerns namespaces only.
func TestHandshakesNeedNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, PolicyAllow)
		d.hasRoom = func(string) bool { return false }
		d.shake("a")
		d.want("a", "in ")
	})
}

// Each kind of question has its time limit, and one timer serves both.
func TestHandshakesTimeOut(t *testing.T) {
	for timeout, handshakes := range map[time.Duration]time.Duration{
		time.Second: time.Second, time.Minute: MaxHandshakeTimeout, MaxHandshakeTimeout + 1: MaxHandshakeTimeout,
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg := Config{Admission: AdmissionConfig{Timeout: timeout}}.withDefaults()
			d := &desk{Admissions: newAdmissions(cfg.Admission), t: t, verdicts: map[string][]string{}}
			at := d.doorkeeper()
			d.ask("/", "socket")
			d.shake("handshake")
			asked, _ := d.take(at)
			if got := time.Until(asked.deadline); got != timeout {
				t.Errorf("%v for a socket", got)
			}
			asked, _ = d.take(at)
			if got := time.Until(asked.deadline); got != handshakes {
				t.Errorf("%v for a handshake", got)
			}
			time.Sleep(handshakes - 1)
			synctest.Wait()
			d.want("handshake", "")
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			d.want("handshake", "out admission timed out")
			d.shake("second")
			time.Sleep(timeout - handshakes)
			synctest.Wait()
			d.want("socket", "out admission timed out")
			time.Sleep(handshakes)
			synctest.Wait()
			d.want("second", "out admission timed out")
			d.wantStats(AdmissionStats{Attached: 1, TimedOut: 3})
		})
	}
}

// A client that goes frees its question, asked or not, and what is said of it later is ignored.
func TestHandshakesAreWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, PolicyDeny)
		at := d.doorkeeper()
		asked, unasked, stays := d.shake("asked"), d.shake("unasked"), d.shake("stays")
		defer stays()
		id := d.nextID(at)
		asked()
		unasked()
		synctest.Wait()
		d.want("asked", "out admission unavailable")
		d.wantStats(AdmissionStats{Attached: 1, Open: 1, Withdrawn: 2})
		d.answer(at, id, rooms.Verdict{})
		d.answer(at, d.nextID(at), rooms.Verdict{})
		synctest.Wait()
		d.want("stays", "in ")
		if id := d.nextID(at); id != 0 {
			t.Errorf("asked %d", id)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		d.wantStats(AdmissionStats{Attached: 1, Withdrawn: 2, Accepted: 1, Ignored: 1})
		if n := d.order[0].Len() + d.order[1].Len() + d.bytes; n != 0 {
			t.Errorf("%d are left", n)
		}
	})
}

// A verdict and a client that goes may meet: the verdict that counts is the one that was counted.
func TestHandshakesAreWithdrawnOrAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rounds = 500
		d := newDesk(t, PolicyDeny)
		at := d.doorkeeper()
		for i := range rounds {
			goes := d.shake(strconv.Itoa(i))
			id := d.nextID(at)
			go goes()
			go d.answer(at, id, rooms.Verdict{})
			synctest.Wait()
		}
		in := uint64(0)
		for _, verdicts := range d.verdicts {
			if len(verdicts) != 1 {
				t.Fatalf("verdicts %q", verdicts)
			}
			if verdicts[0] == "in " {
				in++
			}
		}
		s := d.Stats()
		if s.Accepted != in || s.Withdrawn != rounds-in || s.Ignored != rounds-in {
			t.Errorf("%d are in, stats %+v", in, s)
		}
	})
}

// I4: handshakes and sockets share one bound, so that only so many goroutines wait.
func TestI4HandshakesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, PolicyAllow)
		at := d.doorkeeper()
		d.ask("/", "socket")
		for i := range 3 {
			d.shake(strconv.Itoa(i))
		}
		d.shake("one too many")
		d.want("one too many", "out admission overloaded")
		d.detach(at)
		synctest.Wait()
		d.want("0", "in ")
		d.want("socket", "in ")
		d.wantStats(AdmissionStats{Overloaded: 1, Unattended: 4})
	})
}

// A service that leaves hands handshakes on to those who want them, and to no others.
func TestHandshakesAreHandedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, PolicyAllow)
		dies := d.doorkeeper()
		d.shake("a")
		d.ask("/", "b")
		d.nextID(dies)
		sockets, lives := d.attached(), d.doorkeeper("/other")
		d.detach(dies)
		d.wantTaken(sockets, "b")
		d.answer(lives, d.nextID(lives), rooms.Verdict{})
		synctest.Wait()
		d.want("a", "in ")
		d.shake("c")
		d.shutdown()
		synctest.Wait()
		d.want("c", "out admission unavailable")
		d.shake("d")
		d.want("d", "out admission unavailable")
		d.wantStats(AdmissionStats{Attached: 2, Accepted: 1, HandedOn: 2})
	})
}

// attachFor attaches over gRPC for handshakes, too.
func attachFor(t *testing.T, w *world, namespaces ...string) *doorman {
	t.Helper()
	return attachAs(t, w, &realtimev1.AdmitAttach{Namespaces: namespaces, Handshakes: true})
}

// shake asks about a handshake as the edge does.
func (w *world) shake(q *rooms.Question) <-chan rooms.Verdict {
	verdict := make(chan rooms.Verdict, 1)
	go func() { verdict <- w.svc.Admissions().AdmitHandshake(w.ctx, q) }()
	return verdict
}

func TestAdmitHandshake(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Admission.HandshakePolicy = PolicyDeny })
	if v := <-w.shake(handshake()); brief(v) != "out admission unavailable" {
		t.Errorf("nobody attached: %+v", v)
	}
	d := attachFor(t, w)
	for _, transport := range []string{"polling", "websocket", "webtransport"} {
		verdict := w.shake(&rooms.Question{Handshake: &testInfo.Handshake, Transport: transport})
		q := d.asked()
		want := &realtimev1.AdmitHandshake{Handshake: testSocket.GetHandshake(), Transport: transport}
		if diff := cmp.Diff(want, q.GetHandshake(), protocmp.Transform()); diff != "" || q.GetSocket() != nil || q.GetId() == 0 {
			t.Error(diff)
		}
		if transport == "polling" {
			d.refuse(q.GetId(), &realtimev1.AdmitRefuse{Message: "no"})
			if v := <-verdict; brief(v) != "out no" {
				t.Errorf("verdict %+v", v)
			}
			continue
		}
		d.accept(q.GetId(), nil)
		if v := <-verdict; brief(v) != "in " {
			t.Errorf("verdict %+v", v)
		}
	}
}

// An answer to a handshake that says more than yes or no is turned down, and its client with it.
func TestAdmitHandshakeRejects(t *testing.T) {
	w := newWorld(t)
	d := attachFor(t, w)
	accept := func(a *realtimev1.AdmitAccept) *realtimev1.AdmitAnswer {
		return &realtimev1.AdmitAnswer{Verdict: &realtimev1.AdmitAnswer_Accept{Accept: a}}
	}
	refuse := func(r *realtimev1.AdmitRefuse) *realtimev1.AdmitAnswer {
		return &realtimev1.AdmitAnswer{Verdict: &realtimev1.AdmitAnswer_Refuse{Refuse: r}}
	}
	for want, answer := range map[string]*realtimev1.AdmitAnswer{
		"[answer.accept.user]":  accept(&realtimev1.AdmitAccept{User: "ann"}),
		"[answer.accept.rooms]": accept(&realtimev1.AdmitAccept{Rooms: []string{"a"}}),
		"[answer.accept.data]":  accept(&realtimev1.AdmitAccept{Data: "1"}),
		"[answer.accept.user answer.accept.rooms answer.accept.data]": accept(&realtimev1.AdmitAccept{User: "u", Rooms: []string{"a"}, Data: "1"}),
		"[answer.refuse.data]":    refuse(&realtimev1.AdmitRefuse{Message: "no", Data: "1"}),
		"[answer.refuse.message]": refuse(&realtimev1.AdmitRefuse{}),
		"[answer]":                {},
	} {
		verdict := w.shake(handshake())
		answer.QuestionId = d.asked().GetId()
		d.answer(answer)
		rejected := d.recv().GetRejected()
		var fields []string
		for _, v := range rejected.GetViolations() {
			fields = append(fields, v.GetField())
		}
		if got := fmt.Sprint(fields); got != want || rejected.GetQuestionId() != answer.GetQuestionId() {
			t.Errorf("violations of %s, want %s", got, want)
		}
		if v := <-verdict; brief(v) != "out admission failed" {
			t.Errorf("verdict %+v", v)
		}
	}
}

// Only those who attached with handshakes are asked, and they are asked about their namespaces as well.
func TestAdmitHandshakeOfWhoWantsThem(t *testing.T) {
	w := newWorld(t)
	if w.svc.Admissions().AsksHandshakes() {
		t.Error("nobody wants to be asked")
	}
	sockets, all := attach(t, w), attachFor(t, w, "/chat")
	if !w.svc.Admissions().AsksHandshakes() {
		t.Error("one wants to be asked")
	}
	for range 4 {
		verdict := w.shake(handshake())
		d := all.asked()
		if d.GetHandshake() == nil {
			t.Errorf("asked %v", d)
		}
		all.accept(d.GetId(), &realtimev1.AdmitAccept{})
		<-verdict
	}
	verdict := w.admit(t, question("/", ""))
	sockets.accept(sockets.asked().GetId(), nil)
	<-verdict
}

func BenchmarkAsksHandshakes(b *testing.B) {
	a := newAdmissions(Config{}.withDefaults().Admission)
	for b.Loop() {
		if a.AsksHandshakes() {
			b.Fatal("nobody is attached")
		}
	}
}
