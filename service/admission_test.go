package service

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
)

// doorman is an attached service.
type doorman struct {
	t      *testing.T
	stream realtimev1.AdmissionService_AdmitClient
	leave  context.CancelFunc // breaks off
}

func attach(t *testing.T, w *world, namespaces ...string) *doorman {
	t.Helper()
	return attachAs(t, w, &realtimev1.AdmitAttach{Namespaces: namespaces})
}

func attachAs(t *testing.T, w *world, as *realtimev1.AdmitAttach) *doorman {
	t.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	t.Cleanup(cancel)
	stream, err := w.admission.Admit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	d := &doorman{t: t, stream: stream, leave: cancel}
	d.send(&realtimev1.AdmitRequest{Message: &realtimev1.AdmitRequest_Attach{Attach: as}})
	if m := d.recv(); m.GetAttached() == nil {
		t.Fatalf("first message %v", m)
	}
	return d
}

func (d *doorman) send(r *realtimev1.AdmitRequest) {
	d.t.Helper()
	if err := d.stream.Send(r); err != nil {
		d.t.Fatal(err)
	}
}

func (d *doorman) recv() *realtimev1.AdmitResponse {
	d.t.Helper()
	m, err := d.stream.Recv()
	if err != nil {
		d.t.Fatal(err)
	}
	return m
}

// asked waits for a question.
func (d *doorman) asked() *realtimev1.AdmitQuestion {
	d.t.Helper()
	m := d.recv()
	if m.GetQuestion() == nil {
		d.t.Fatalf("message %v is no question", m)
	}
	return m.GetQuestion()
}

func (d *doorman) accept(id uint64, accept *realtimev1.AdmitAccept) {
	d.t.Helper()
	d.answer(&realtimev1.AdmitAnswer{QuestionId: id, Verdict: &realtimev1.AdmitAnswer_Accept{Accept: accept}})
}

func (d *doorman) refuse(id uint64, refuse *realtimev1.AdmitRefuse) {
	d.t.Helper()
	d.answer(&realtimev1.AdmitAnswer{QuestionId: id, Verdict: &realtimev1.AdmitAnswer_Refuse{Refuse: refuse}})
}

func (d *doorman) answer(a *realtimev1.AdmitAnswer) {
	d.t.Helper()
	d.send(&realtimev1.AdmitRequest{Message: &realtimev1.AdmitRequest_Answer{Answer: a}})
}

// admit asks as the edge does.
func (w *world) admit(t *testing.T, q *rooms.Question) <-chan rooms.Verdict {
	t.Helper()
	verdict := make(chan rooms.Verdict, 2)
	if v, ok := w.svc.Admissions().Admit(q, func(v rooms.Verdict) { verdict <- v }); ok {
		verdict <- v
	}
	return verdict
}

func TestAdmit(t *testing.T) {
	w := newWorld(t)
	d := attach(t, w)
	before := time.Now()
	verdict := w.admit(t, &rooms.Question{Namespace: "/chat", Socket: testID, Auth: []byte(`{"token":1}`), Handshake: &testInfo.Handshake})
	q := d.asked()
	want := &realtimev1.AdmitSocket{
		Namespace: "/chat", SocketId: testID.String(), Auth: `{"token":1}`, Handshake: testSocket.GetHandshake(),
	}
	if diff := cmp.Diff(want, q.GetSocket(), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if left := q.GetDeadline().AsTime().Sub(before); left < 4*time.Second || left > 6*time.Second || q.GetId() == 0 {
		t.Errorf("question %d, to be answered within %v", q.GetId(), left)
	}
	d.accept(q.GetId(), &realtimev1.AdmitAccept{User: "ann", Rooms: []string{"a", "b"}, Data: ` {"n": 1}`})
	v := <-verdict
	if v.Refused || v.User != "ann" || !slices.Equal(v.Rooms, []string{"a", "b"}) || string(v.Data) != ` {"n": 1}` {
		t.Errorf("verdict %+v", v)
	}

	verdict = w.admit(t, question("/", ""))
	d.accept(d.asked().GetId(), nil)
	if v := <-verdict; v.Refused || v.User != "" || v.Rooms != nil || v.Data != nil {
		t.Errorf("verdict %+v", v)
	}

	verdict = w.admit(t, question("/", ""))
	d.refuse(d.asked().GetId(), &realtimev1.AdmitRefuse{Message: "no", Data: `[1]`})
	if v := <-verdict; !v.Refused || v.Message != "no" || string(v.ErrorData) != `[1]` {
		t.Errorf("verdict %+v", v)
	}

	verdict = w.admit(t, question("/", ""))
	d.refuse(d.asked().GetId(), &realtimev1.AdmitRefuse{Message: "no"})
	if v := <-verdict; !v.Refused || v.ErrorData != nil {
		t.Errorf("verdict %+v", v)
	}
}

// The answers may come in any order.
func TestAdmitManyAtOnce(t *testing.T) {
	w := newWorld(t)
	d := attach(t, w)
	const n = 500
	var verdicts [n]<-chan rooms.Verdict
	for i := range verdicts {
		verdicts[i] = w.admit(t, question("/", strings.Repeat("x", i)))
	}
	users := map[uint64]string{}
	for range n {
		q := d.asked()
		users[q.GetId()] = q.GetSocket().GetAuth()
	}
	for id, user := range users { // in any order
		d.accept(id, &realtimev1.AdmitAccept{Data: `"` + user + `"`})
	}
	for i, verdict := range verdicts {
		if v := <-verdict; len(v.Data) != i+2 {
			t.Errorf("verdict %d is that of another: %+v", i, v)
		}
	}
}

// What is wrong with an answer is told, its client is refused, and the stream goes on.
func TestAdmitBadAnswers(t *testing.T) {
	w := newWorld(t, smallLimits)
	d := attach(t, w)
	accept := func(a *realtimev1.AdmitAccept) *realtimev1.AdmitAnswer {
		return &realtimev1.AdmitAnswer{Verdict: &realtimev1.AdmitAnswer_Accept{Accept: a}}
	}
	refuse := func(r *realtimev1.AdmitRefuse) *realtimev1.AdmitAnswer {
		return &realtimev1.AdmitAnswer{Verdict: &realtimev1.AdmitAnswer_Refuse{Refuse: r}}
	}
	const long = "ninebytes"
	for _, tt := range []struct {
		name   string
		answer *realtimev1.AdmitAnswer
		want   []string
	}{
		{"no verdict", &realtimev1.AdmitAnswer{}, []string{"answer"}},
		{"long user", accept(&realtimev1.AdmitAccept{User: long}), []string{"answer.accept.user"}},
		{"too many rooms", accept(&realtimev1.AdmitAccept{Rooms: []string{"a", "b", "c", "d"}}), []string{"answer.accept.rooms"}},
		{"bad rooms", accept(&realtimev1.AdmitAccept{Rooms: []string{"", "a", long}}), []string{"answer.accept.rooms[0]", "answer.accept.rooms[2]"}},
		{"data is no JSON", accept(&realtimev1.AdmitAccept{Data: "{"}), []string{"answer.accept.data"}},
		{"large data", accept(&realtimev1.AdmitAccept{Data: `"` + strings.Repeat("x", 20) + `"`}), []string{"answer.accept.data"}},
		{"all of it", accept(&realtimev1.AdmitAccept{User: long, Rooms: []string{""}, Data: "x"}), []string{"answer.accept.user", "answer.accept.rooms[0]", "answer.accept.data"}},
		{"no message", refuse(nil), []string{"answer.refuse.message"}},
		{"long message, bad data", refuse(&realtimev1.AdmitRefuse{Message: long, Data: "x"}), []string{"answer.refuse.message", "answer.refuse.data"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			verdict := w.admit(t, question("/", ""))
			tt.answer.QuestionId = d.asked().GetId()
			d.answer(tt.answer)
			rejected := d.recv().GetRejected()
			var fields []string
			for _, v := range rejected.GetViolations() {
				fields = append(fields, v.GetField())
				if v.GetDescription() == "" {
					t.Errorf("nothing is said about %s", v.GetField())
				}
			}
			if rejected.GetQuestionId() != tt.answer.GetQuestionId() || !slices.Equal(fields, tt.want) {
				t.Errorf("rejected %v, want fields %q", rejected, tt.want)
			}
			if v := <-verdict; brief(v) != "out admission failed" {
				t.Errorf("verdict %+v", v)
			}
		})
	}
}

// What breaks the stream's own rules ends it.
func TestAdmitErrors(t *testing.T) {
	w := newWorld(t, smallLimits)
	attachTo := func(namespaces ...string) *realtimev1.AdmitRequest {
		return &realtimev1.AdmitRequest{Message: &realtimev1.AdmitRequest_Attach{Attach: &realtimev1.AdmitAttach{Namespaces: namespaces}}}
	}
	for _, tt := range []struct {
		name   string
		send   []*realtimev1.AdmitRequest
		code   codes.Code
		reason string
		fields []string
	}{
		{"nothing", nil, codes.InvalidArgument, "", []string{"attach"}},
		{"empty message", []*realtimev1.AdmitRequest{{}}, codes.InvalidArgument, "", []string{"attach"}},
		{"answer first", []*realtimev1.AdmitRequest{{Message: &realtimev1.AdmitRequest_Answer{}}}, codes.InvalidArgument, "", []string{"attach"}},
		{"too many namespaces", []*realtimev1.AdmitRequest{attachTo("/", "/", "/", "/")}, codes.InvalidArgument, "", []string{"attach.namespaces"}},
		{"unknown namespace", []*realtimev1.AdmitRequest{attachTo("/", "/none")}, codes.NotFound, "NAMESPACE_NOT_FOUND", nil},
		{"attach twice", []*realtimev1.AdmitRequest{attachTo(), attachTo()}, codes.InvalidArgument, "", []string{"answer"}},
		{"empty later", []*realtimev1.AdmitRequest{attachTo(), {}}, codes.InvalidArgument, "", []string{"answer"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stream, err := w.admission.Admit(w.ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range tt.send {
				if err := stream.Send(r); err != nil {
					t.Fatal(err)
				}
			}
			if err := stream.CloseSend(); err != nil {
				t.Fatal(err)
			}
			for err == nil {
				_, err = stream.Recv()
			}
			wantStatus(t, err, tt.code, tt.reason, tt.fields...)
		})
	}
}

// One of two services dies in mid question; the other is asked.
func TestAdmitServiceDies(t *testing.T) {
	w := newWorld(t)
	dies, lives := attach(t, w), attach(t, w)
	first := w.admit(t, question("/", "first"))
	second := w.admit(t, question("/", "second"))
	if a, b := dies.asked(), lives.asked(); a.GetSocket().GetAuth() != "first" || b.GetSocket().GetAuth() != "second" {
		t.Fatalf("asked about %v and %v", a, b)
	} else {
		dies.leave()
		lives.accept(b.GetId(), &realtimev1.AdmitAccept{User: "b"})
	}
	q := lives.asked()
	if q.GetSocket().GetAuth() != "first" {
		t.Errorf("asked about %v", q)
	}
	lives.accept(q.GetId(), &realtimev1.AdmitAccept{User: "a"})
	if a, b := <-first, <-second; a.User != "a" || b.User != "b" {
		t.Errorf("verdicts %+v and %+v", a, b)
	}
}

// A half-close is a good-bye: the stream ends with OK, and nobody is left to ask.
func TestAdmitServiceLeaves(t *testing.T) {
	w := newWorld(t, func(cfg *Config) { cfg.Admission.Policy = PolicyDeny })
	d := attach(t, w, "/")
	verdict := w.admit(t, question("/", ""))
	d.asked()
	if err := d.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if v := <-verdict; brief(v) != "out admission unavailable" {
		t.Errorf("verdict %+v", v)
	}
	if _, err := d.stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("error %v", err)
	}
}

func TestAdmitEndsAtShutdown(t *testing.T) {
	w := newWorld(t)
	d := attach(t, w)
	silent, err := w.admission.Admit(w.ctx) // never attaches
	if err != nil {
		t.Fatal(err)
	}
	verdict := w.admit(t, question("/", ""))
	d.asked()
	w.svc.Shutdown()
	if v := <-verdict; brief(v) != "out admission unavailable" {
		t.Errorf("verdict %+v", v)
	}
	for _, stream := range []realtimev1.AdmissionService_AdmitClient{d.stream, silent} {
		_, err := stream.Recv()
		wantStatus(t, err, codes.Unavailable, "SHUTTING_DOWN")
	}
	late, err := w.admission.Admit(w.ctx)
	if err == nil {
		_, err = late.Recv()
	}
	wantStatus(t, err, codes.Unavailable, "SHUTTING_DOWN")
}

func TestAdmitNamespaces(t *testing.T) {
	w := newWorld(t)
	chat, root := attach(t, w, "/chat"), attach(t, w, "")
	verdicts := []<-chan rooms.Verdict{w.admit(t, question("/", "")), w.admit(t, question("/chat", ""))}
	for i, d := range []*doorman{root, chat} {
		q := d.asked()
		if want := []string{"/", "/chat"}[i]; q.GetSocket().GetNamespace() != want {
			t.Errorf("asked about %q, want %q", q.GetSocket().GetNamespace(), want)
		}
		d.accept(q.GetId(), &realtimev1.AdmitAccept{User: "ann"})
		if v := <-verdicts[i]; v.User != "ann" {
			t.Errorf("verdict %+v", v)
		}
	}
}
