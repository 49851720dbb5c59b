package consumer

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// door is an Admit that runs, in a bubble of virtual time.
type door struct {
	*testing.T
	conn   *fakeConn
	cancel context.CancelFunc
	result chan error
	log    *logBook
}

func atDoor(t *testing.T, cfg AdmitConfig, decide func(context.Context, *realtimev1.AdmitQuestion) Verdict, test func(d *door)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := &door{T: t, conn: newFakeConn(), result: make(chan error, 1), log: &logBook{}}
		cfg.Logger = slog.New(slog.NewTextHandler(d.log, nil))
		ctx, cancel := context.WithCancel(t.Context())
		d.cancel = cancel
		go func() { d.result <- Admit(ctx, d.conn, cfg, decide) }()
		test(d)
		cancel()
		synctest.Wait()
	})
}

// attached takes the next stream and answers that it is attached.
func (d *door) attached() *fakeStream {
	d.Helper()
	s := <-d.conn.streams
	if (<-s.said).(*realtimev1.AdmitRequest).GetAttach() == nil {
		d.Fatal("the stream does not begin with attach")
	}
	s.answers <- &realtimev1.AdmitResponse{Message: &realtimev1.AdmitResponse_Attached{Attached: &realtimev1.AdmitAttached{}}}
	synctest.Wait()
	return s
}

func ask(s *fakeStream, id uint64, name string, in time.Duration) {
	s.answers <- &realtimev1.AdmitResponse{Message: &realtimev1.AdmitResponse_Question{Question: &realtimev1.AdmitQuestion{
		Id: id, Deadline: timestamppb.New(time.Now().Add(in)), Subject: &realtimev1.AdmitQuestion_Socket{Socket: &realtimev1.AdmitSocket{Auth: name}},
	}}}
	synctest.Wait()
}

// answered is what was answered since it was last asked.
func answered(s *fakeStream) (answers []*realtimev1.AdmitAnswer) {
	synctest.Wait()
	for len(s.said) > 0 {
		answers = append(answers, (<-s.said).(*realtimev1.AdmitRequest).GetAnswer())
	}
	return answers
}

func accepted(id uint64, accept *realtimev1.AdmitAccept) *realtimev1.AdmitAnswer {
	return &realtimev1.AdmitAnswer{QuestionId: id, Verdict: &realtimev1.AdmitAnswer_Accept{Accept: accept}}
}

func refused(id uint64, message, data string) *realtimev1.AdmitAnswer {
	return &realtimev1.AdmitAnswer{QuestionId: id, Verdict: &realtimev1.AdmitAnswer_Refuse{Refuse: &realtimev1.AdmitRefuse{Message: message, Data: data}}}
}

func TestAdmitAnswers(t *testing.T) {
	no := Refuse("no", `{"why":1}`) // is given twice
	decide := func(_ context.Context, q *realtimev1.AdmitQuestion) Verdict {
		switch q.GetSocket().GetAuth() {
		case "ada":
			return Accept(&realtimev1.AdmitAccept{User: "ada", Rooms: []string{"r"}})
		case "anyone":
			return Accept(nil)
		case "panic":
			panic("at the door")
		case "silence":
			return Verdict{}
		}
		return no
	}
	atDoor(t, AdmitConfig{}, decide, func(d *door) {
		s := d.attached()
		for _, tt := range []struct {
			name string
			want []*realtimev1.AdmitAnswer
		}{
			{"ada", []*realtimev1.AdmitAnswer{accepted(7, &realtimev1.AdmitAccept{User: "ada", Rooms: []string{"r"}})}},
			{"anyone", []*realtimev1.AdmitAnswer{accepted(7, &realtimev1.AdmitAccept{})}},
			{"mallory", []*realtimev1.AdmitAnswer{refused(7, "no", `{"why":1}`)}},
			{"eve", []*realtimev1.AdmitAnswer{refused(7, "no", `{"why":1}`)}},
			{"panic", []*realtimev1.AdmitAnswer{refused(7, "admission failed", "")}},
			{"silence", nil},
		} {
			ask(s, 7, tt.name, time.Second)
			if diff := cmp.Diff(tt.want, answered(s), protocmp.Transform()); diff != "" {
				t.Errorf("%s:\n%s", tt.name, diff)
			}
		}
		if !d.log.has("at the door") || !d.log.has("admit_test.go") {
			t.Errorf("logged %s", d.log.text.String())
		}
	})
}

func TestAdmitAttachesWithItsConfig(t *testing.T) {
	attached := 0
	cfg := AdmitConfig{Namespaces: []string{"/", "/chat"}, Handshakes: true, ReconnectPause: exactly, Attached: func() { attached++ }}
	atDoor(t, cfg, nil, func(d *door) {
		s := <-d.conn.streams
		want := &realtimev1.AdmitAttach{Namespaces: []string{"/", "/chat"}, Handshakes: true}
		if got := (<-s.said).(*realtimev1.AdmitRequest).GetAttach(); !proto.Equal(got, want) {
			t.Errorf("attaches with %v", got)
		}
		s.answers <- errBroken // before it is attached
		d.attached().answers <- io.EOF
		d.attached().answers <- &realtimev1.AdmitResponse{Message: &realtimev1.AdmitResponse_Rejected{Rejected: &realtimev1.AdmitRejected{
			Violations: []*realtimev1.AdmitViolation{{Field: "answer.accept.rooms[2]"}},
		}}}
		synctest.Wait()
		if attached != 2 || !d.log.has("answer.accept.rooms[2]") {
			t.Errorf("attached %d times, want twice; logged %s", attached, d.log.text.String())
		}
	})
}

func TestAdmitIsParallelAndBounded(t *testing.T) {
	var began chan string
	var release chan struct{}
	decide := func(_ context.Context, q *realtimev1.AdmitQuestion) Verdict {
		began <- q.GetSocket().GetAuth()
		<-release
		return Accept(nil)
	}
	atDoor(t, AdmitConfig{Concurrency: 2}, decide, func(d *door) {
		began, release = make(chan string, 10), make(chan struct{})
		s := d.attached()
		for i, name := range []string{"a", "b", "c"} {
			ask(s, uint64(i), name, time.Minute)
		}
		if len(began) != 2 {
			t.Errorf("%d are decided at a time, want 2", len(began))
		}
		release <- struct{}{}
		synctest.Wait()
		if len(began) != 3 || len(answered(s)) != 1 {
			t.Errorf("%d were begun, want the third in the place of the first", len(began))
		}
		close(release)
		synctest.Wait()
	})
}

func TestAdmitContext(t *testing.T) {
	var causes chan error
	decide := func(ctx context.Context, _ *realtimev1.AdmitQuestion) Verdict {
		<-ctx.Done()
		causes <- ctx.Err()
		return Accept(nil)
	}
	atDoor(t, AdmitConfig{Concurrency: 1}, decide, func(d *door) {
		causes = make(chan error, 10)
		s := d.attached()
		ask(s, 1, "late", time.Second)
		time.Sleep(time.Second) // of virtual time
		if err := <-causes; err != context.DeadlineExceeded {
			t.Errorf("at the deadline: %v", err)
		}
		ask(s, 2, "lost", time.Hour)
		ask(s, 3, "waits", time.Hour)
		s.answers <- errBroken
		d.cancel()
		if err := <-causes; err != context.Canceled {
			t.Errorf("at the end: %v", err)
		}
		if err := <-d.result; err != nil {
			t.Errorf("Admit returns %v", err)
		}
		if got := answered(s); len(got) != 0 {
			t.Errorf("answered %v when it was of no use", got)
		}
	})
}

func TestErrorsThatEndAdmit(t *testing.T) {
	atDoor(t, AdmitConfig{}, nil, func(d *door) {
		s := d.attached()
		d.conn.refuse <- status.Error(codes.PermissionDenied, "not any more")
		s.answers <- errBroken
		if err := <-d.result; status.Code(err) != codes.PermissionDenied {
			t.Errorf("Admit returns %v", err)
		}
	})
	for _, cfg := range []AdmitConfig{{Concurrency: -1}, {ReconnectPause: Backoff{2, 1}}} {
		if err := Admit(t.Context(), newFakeConn(), cfg, nil); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}
