package main

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// What is refused to clients or dropped is logged where it happens, one line each. logLimit keeps a flood of them out of
// the log: of lines that say the same, maxLines pass in each limitWindow, and one line tells at its end how many more there
// were. Lines say the same if message and level are equal, and the attribute "reason", if they have one.
//
// Errors pass, and so does what is below info: whoever asks for debug wants to see everything.
type logLimit struct {
	mu      sync.Mutex // guards the following; held while no line is written
	windows map[logKey]*logWindow
}

const (
	limitWindow = 10 * time.Second
	maxLines    = 10
	// maxWindows bounds what is told apart at a time; further lines count as one kind. Messages and reasons are constants
	// of the code, all but those of net/http.
	maxWindows = 256
)

// logKey is what lines have in common that say the same. The zero value stands for all that do not fit.
type logKey struct {
	level           slog.Level
	message, reason string
}

// logWindow counts the lines of one kind.
type logWindow struct {
	ends    time.Time
	lines   int
	leftOut int
	last    slog.Handler // of a line that was left out
	timer   *time.Timer  // tells of leftOut at the end; nil while that is 0
}

// limited is the handler of a logger whose lines a logLimit bounds.
type limited struct {
	slog.Handler
	limit *logLimit
}

func newLimited(h slog.Handler) limited {
	return limited{h, &logLimit{windows: make(map[logKey]*logWindow)}}
}

// Handle implements slog.Handler.
func (h limited) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelInfo || r.Level >= slog.LevelError || h.limit.passes(keyOf(&r), h.Handler) {
		return h.Handler.Handle(ctx, r)
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (h limited) WithAttrs(attrs []slog.Attr) slog.Handler {
	return limited{h.Handler.WithAttrs(attrs), h.limit}
}

// WithGroup implements slog.Handler.
func (h limited) WithGroup(name string) slog.Handler {
	return limited{h.Handler.WithGroup(name), h.limit}
}

// flush tells what was left out until now: the process ends.
func (h limited) flush() { h.limit.flush() }

func keyOf(r *slog.Record) logKey {
	key := logKey{level: r.Level, message: r.Message}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != "reason" {
			return true
		}
		key.reason = a.Value.String()
		return false
	})
	return key
}

// passes reports whether a line is written; otherwise it counts as left out.
func (l *logLimit) passes(key logKey, h slog.Handler) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	key, w := l.window(key, now)
	if w.lines < maxLines {
		w.lines++
		return true
	}
	w.leftOut++
	w.last = h
	if w.timer == nil {
		w.timer = time.AfterFunc(w.ends.Sub(now), func() { l.end(key, w) })
	}
	return false
}

// window returns the one that counts lines of this kind now, and the key by which it is found.
func (l *logLimit) window(key logKey, now time.Time) (logKey, *logWindow) {
	w := l.windows[key]
	if w != nil && (w.leftOut > 0 || now.Before(w.ends)) { // one that left lines out ends with its timer
		return key, w
	}
	if w == nil && len(l.windows) >= maxWindows {
		for k, other := range l.windows {
			if other.leftOut == 0 && !now.Before(other.ends) {
				delete(l.windows, k)
			}
		}
		if len(l.windows) >= maxWindows && key != (logKey{}) {
			return l.window(logKey{}, now) // one more than maxWindows, at most
		}
	}
	w = &logWindow{ends: now.Add(limitWindow)}
	l.windows[key] = w
	return key, w
}

// end tells how many lines of w were left out, and forgets it.
func (l *logLimit) end(key logKey, w *logWindow) {
	l.mu.Lock()
	live := l.windows[key] == w
	if live {
		delete(l.windows, key)
	}
	l.mu.Unlock()
	if live {
		w.tell(key)
	}
}

func (l *logLimit) flush() {
	l.mu.Lock()
	windows := l.windows
	l.windows = make(map[logKey]*logWindow)
	l.mu.Unlock()
	for key, w := range windows {
		if w.timer != nil {
			w.timer.Stop()
			w.tell(key)
		}
	}
}

// tell writes one line for those that were left out. w is out of the table: nobody changes it any more.
func (w *logWindow) tell(key logKey) {
	level := key.level
	attrs := []slog.Attr{slog.Int("count", w.leftOut)}
	if key != (logKey{}) {
		attrs = append(attrs, slog.String("message", key.message))
	}
	if key.reason != "" {
		attrs = append(attrs, slog.String("reason", key.reason))
	}
	r := slog.NewRecord(time.Now(), level, "more log lines like the last ones were left out", 0)
	r.AddAttrs(attrs...)
	_ = w.last.Handle(context.Background(), r) // a log that cannot be written cannot say so
}
