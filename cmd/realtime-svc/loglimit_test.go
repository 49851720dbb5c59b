package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu  sync.Mutex // guards the following
	out bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.String()
}

// limitedLog is a logger with a limit, and what it has written.
func limitedLog(level slog.Level) (*slog.Logger, func() string) {
	out := &logBuffer{}
	h := slog.NewTextHandler(out, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}})
	return slog.New(newLimited(h)), out.String
}

// size is how many kinds of lines are told apart now.
func (l *logLimit) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.windows)
}

// count returns how many lines have the text.
func count(log, text string) int {
	n := 0
	for line := range strings.Lines(log) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// Of a flood ten lines pass in ten seconds, then one tells how many more there were.
func TestLogLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, written := limitedLog(slog.LevelInfo)
		logger = logger.With("node", "n1")
		for i := range 25 {
			logger.Info("session closed", "reason", "outbox overflow", "n", i)
		}
		if log := written(); count(log, "outbox overflow") != 10 || count(log, "left out") != 0 {
			t.Errorf("at once\n%s", log)
		}
		time.Sleep(limitWindow)
		synctest.Wait()
		want := `msg="more log lines like the last ones were left out" node=n1 count=15 message="session closed" reason="outbox overflow"` + "\n"
		if log := written(); !strings.HasSuffix(log, want) || count(log, "") != 11 {
			t.Errorf("after the window\n%s", log)
		}
		for range 10 { // a new window
			logger.Info("session closed", "reason", "outbox overflow")
		}
		time.Sleep(2 * limitWindow)
		synctest.Wait()
		if log := written(); count(log, "") != 21 {
			t.Errorf("in the next window\n%s", log)
		}
	})
}

// Lines with another message, reason or level count for themselves; errors and debug lines always pass.
func TestLogLimitTellsKindsApart(t *testing.T) {
	for name, tt := range map[string]struct {
		line func(l *slog.Logger, i int)
		want int
	}{
		"one kind":  {func(l *slog.Logger, _ int) { l.Warn("a") }, 10},
		"messages":  {func(l *slog.Logger, i int) { l.Info(fmt.Sprint("a", i%3)) }, 30},
		"reasons":   {func(l *slog.Logger, i int) { l.Info("a", "n", i, "reason", fmt.Sprint(i%2)) }, 20},
		"levels":    {func(l *slog.Logger, i int) { l.Log(t.Context(), slog.Level(4*(i%2)), "a") }, 20},
		"others":    {func(l *slog.Logger, i int) { l.Info("a", "other", i) }, 10},
		"errors":    {func(l *slog.Logger, _ int) { l.Error("a") }, 100},
		"debug":     {func(l *slog.Logger, _ int) { l.Debug("a") }, 100},
		"in groups": {func(l *slog.Logger, i int) { l.WithGroup(fmt.Sprint(i)).Info("a") }, 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				logger, written := limitedLog(slog.LevelDebug)
				for i := range 100 {
					tt.line(logger, i)
				}
				if got := count(written(), "msg=a"); got != tt.want {
					t.Errorf("%d lines, want %d\n%s", got, tt.want, written())
				}
				logger.Handler().(limited).flush()
			})
		})
	}
}

// Messages that are all different, as net/http makes them of what clients send, take no more than their share of memory,
// and later ones have the room of those whose window is over.
func TestLogLimitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, written := limitedLog(slog.LevelInfo)
		limit := logger.Handler().(limited).limit
		for i := range 10_000 {
			logger.Info(fmt.Sprint("bad request ", i))
			if n := limit.size(); n > maxWindows+1 {
				t.Fatalf("%d windows", n)
			}
		}
		if got := count(written(), "bad request"); got != maxWindows+maxLines {
			t.Errorf("%d lines", got)
		}
		time.Sleep(limitWindow)
		synctest.Wait()
		if want := fmt.Sprintf("left out\" count=%d\n", 10_000-maxWindows-maxLines); !strings.HasSuffix(written(), want) {
			t.Errorf("%s", written()[len(written())-200:])
		}
		logger.Info("something else")
		if limit.size() != 1 || count(written(), "something else") != 1 {
			t.Errorf("%d windows", limit.size())
		}
	})
}

// What was left out is told at the end of the process, too, and only once.
func TestLogLimitFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, written := limitedLog(slog.LevelInfo)
		for range 12 {
			logger.Info("a")
		}
		logger.Handler().(limited).flush()
		logger.Handler().(limited).flush()
		time.Sleep(2 * limitWindow)
		synctest.Wait()
		if log := written(); count(log, "count=2") != 1 || count(log, "left out") != 1 {
			t.Errorf("logged\n%s", log)
		}
	})
}

func TestLogLimitConcurrently(t *testing.T) {
	logger, written := limitedLog(slog.LevelInfo)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				logger.Info("a")
			}
		})
	}
	wg.Wait()
	logger.Handler().(limited).flush()
	if log := written(); count(log, "msg=a") != 10 || count(log, "count=1590") != 1 {
		t.Errorf("logged\n%s", log)
	}
}

// The program's logger has the limit.
func TestLoggerIsLimited(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		cfg := defaultConfig()
		cfg.LogFormat, cfg.NodeID = format, "n1"
		logger := newLogger(cfg, &out)
		for range 20 {
			logger.Info("flood")
		}
		flushLog(logger)
		if log := out.String(); count(log, "") != 11 || count(log, "n1") != 11 {
			t.Errorf("logged\n%s", log)
		}
	}
}

func BenchmarkLineLeftOut(b *testing.B) {
	var out bytes.Buffer
	logger := slog.New(newLimited(slog.NewTextHandler(&out, nil)))
	defer flushLog(logger)
	b.ReportAllocs()
	for b.Loop() {
		logger.Info("session closed", "reason", "outbox overflow")
	}
}
