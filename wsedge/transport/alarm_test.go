package transport

import (
	"testing"
	"time"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// startled is an application that panics at its alarm.
type startled struct {
	mute
	closed chan Cause
}

func (startled) Alarm() { panic("boom") }

func (s startled) Closed(_ engineio.Reason, cause Cause) { s.closed <- cause }

// A panic at an alarm is told as what it is, whatever carries the session.
func TestPanicsAtAnAlarm(t *testing.T) {
	onBoth(t, func(t *testing.T, kind string) {
		closed := make(chan Cause, 1)
		srv, addr := serving(t, kind, Config{OnSession: func(s *Session) Handler {
			s.SetAlarm(time.Millisecond)
			return startled{closed: closed}
		}})
		for way, request := range waysIn() {
			call(t, "127.0.0.1", addr).ask(request)
			if cause := <-closed; cause != CauseInternal {
				t.Errorf("%s: %q", way, cause)
			}
			until(t, "end", func() bool { return srv.Len() == 0 })
		}
	})
}
