package service

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service/feed"
)

// warnings lets what is logged from warn level on be read.
func (l *log) warnings(c *Config) {
	c.Logger = slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// A client that is refused because of the services, not by one of them, is told of in the log; nothing that it sent is.
func TestRefusalsWithoutAnAnswerAreLogged(t *testing.T) {
	later := func(rooms.Verdict) {}
	for _, tt := range []struct {
		message string
		ask     func(d *desk)
	}{
		{MessageUnavailable, func(d *desk) { d.ask("/", "secret") }},
		{MessageOverloaded, func(d *desk) {
			_, _ = d.attach(nil, false)
			for range 5 {
				d.Admit(question("/", "secret"), later)
			}
		}},
		{MessageTimedOut, func(d *desk) {
			_, _ = d.attach(nil, false)
			d.Admit(question("/", "secret"), later)
			d.cfg.Timeout = 0
			for _, k := range d.open {
				k.deadline = k.deadline.AddDate(-1, 0, 0)
			}
			d.expire()
		}},
		{MessageFailed, func(d *desk) {
			at, _ := d.attach(nil, false)
			d.Admit(question("/", "secret"), later)
			q, _ := d.take(at)
			d.fail(at, q.id)
		}},
		{MessageNoRoom, func(d *desk) {
			d.hasRoom = func(string) bool { return false }
			d.ask("/", "secret")
		}},
		{"", func(d *desk) { // a service's own refusal
			at, _ := d.attach(nil, false)
			d.Admit(question("/", "secret"), later)
			q, _ := d.take(at)
			d.answer(at, q.id, refused("secret"))
		}},
	} {
		t.Run(tt.message, func(t *testing.T) {
			var out log
			d := newDesk(t, PolicyDeny)
			d.log = slog.New(slog.NewTextHandler(&out, nil))
			tt.ask(d)
			d.shutdownQuietly()
			want := "level=WARN msg=client refused without an answer of a service reason=" + tt.message + "\n"
			switch got := strings.ReplaceAll(out.String(), `"`, ""); {
			case tt.message == "" && got != "":
				t.Errorf("logged %s", got)
			case tt.message != "" && (!strings.HasSuffix(got, want) || strings.Count(got, "\n") != 1 || strings.Contains(got, "secret")):
				t.Errorf("logged %swant %s", got, want)
			}
		})
	}
}

// shutdownQuietly is shutdown without a log.
func (d *desk) shutdownQuietly() {
	d.log = slog.New(slog.DiscardHandler)
	d.shutdown()
}

// A watcher's loss is told to the operator as well.
func TestMissedEventsAreLogged(t *testing.T) {
	var out log
	w := newWorld(t, out.warnings)
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	watch, err := w.events.Watch(ctx, &realtimev1.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	w.feed.Observe(&rooms.Event{Kind: rooms.KindEvent, Namespace: "/", Name: "secret", Args: make([]byte, feed.MaxEventBytes)})
	message, err := watch.Recv()
	if err != nil || message.GetBatch().GetMissed() != 1 {
		t.Fatal(message, err)
	}
	if got := out.String(); !strings.Contains(got, `msg="a watcher missed events"`) || !strings.Contains(got, " count=1") || strings.Contains(got, "secret") {
		t.Errorf("logged %s", got)
	}
}

// So is an answer that is not passed on.
func TestDroppedAnswersAreLogged(t *testing.T) {
	var out log
	w := newWorld(t, out.warnings)
	f := w.socket(t, "/", "")
	f.onDeliver = func(m *rooms.Message) bool {
		go m.Acks.Acked(f.ID(), make([]byte, maxMessageBytes+1), nil)
		return true
	}
	stream, err := w.emit.EmitWithAck(w.ctx, &realtimev1.EmitWithAckRequest{Target: everyone(), Event: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil || answer.GetSummary().GetOversized() != 1 {
		t.Fatal(answer, err)
	}
	if got := out.String(); !strings.Contains(got, `msg="answers dropped"`) || !strings.Contains(got, " count=1") || strings.Contains(got, "secret") {
		t.Errorf("logged %s", got)
	}
}
