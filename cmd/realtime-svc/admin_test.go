package main

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

func TestAdmin(t *testing.T) {
	ready := false
	h := newAdmin(prometheus.NewRegistry(), func() bool { return ready }, slog.New(slog.DiscardHandler)).Handler
	get := func(method, path string) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, http.NoBody))
		return w.Code
	}
	for _, c := range []struct {
		method, path string
		ready        bool
		want         int
	}{
		{"GET", "/healthz", false, 200},
		{"GET", "/healthz", true, 200},
		{"HEAD", "/healthz", true, 200},
		{"GET", "/readyz", false, 503},
		{"GET", "/readyz", true, 200},
		{"GET", "/metrics", false, 200},
		{"POST", "/healthz", true, 405},
		{"GET", "/", true, 404},
		{"GET", "/debug/pprof/", true, 404},
	} {
		ready = c.ready
		if code := get(c.method, c.path); code != c.want {
			t.Errorf("%s %s, ready %v: %d", c.method, c.path, c.ready, code)
		}
	}
}

type failingGatherer struct{}

func (failingGatherer) Gather() ([]*dto.MetricFamily, error) { return nil, errors.New("out of order") }

func TestMetricsThatFailAreLogged(t *testing.T) {
	var log bytes.Buffer
	server := newAdmin(failingGatherer{}, func() bool { return true }, slog.New(slog.NewTextHandler(&log, nil)))
	w := httptest.NewRecorder()
	server.Handler.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", http.NoBody))
	if w.Code != 500 || !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "out of order") {
		t.Errorf("%d, %s", w.Code, log.String())
	}
}

// Profiles are there when they are asked for, and only then.
func TestProfiles(t *testing.T) {
	for _, on := range []bool{false, true} {
		p := start(t, func(c *Config) { c.AdminProfiles = on })
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/mutex", "/debug/pprof/block", "/debug/pprof/cmdline", "/debug/pprof/symbol", "/debug/pprof/profile?seconds=1"} {
			want := http.StatusNotFound
			if on {
				want = http.StatusOK
			}
			if code, body := fetch(t, p.Addrs().Admin, path); code != want || on && body == "" {
				t.Errorf("%s, on %v: %d", path, on, code)
			}
		}
		stopped(t, p)
	}
}
