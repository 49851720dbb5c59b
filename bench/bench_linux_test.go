package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets the test binary be the worker, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "worker" {
		main()
	}
	os.Exit(m.Run())
}

// Every scenario counts what it gets against what was sent; a small run of each on the real binary must add up.
func TestEveryScenarioAddsUp(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "realtime-svc")
	if out, err := exec.Command("go", "build", "-o", binary, "../cmd/realtime-svc").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	z := quick
	servers := []contender{{"realtime-svc", func() (server, error) { return startOurs(binary) }}}
	results, err := runAll(servers, &z, 1, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != len(scenarios) {
		t.Errorf("%d results", len(results))
	}
	text := table(servers, results)
	for _, r := range results {
		if len(r.Figures) == 0 {
			t.Errorf("%s measured nothing", r.Scenario)
		}
		for _, f := range r.Figures {
			if !strings.Contains(text, "| "+f.Name+" | "+f.Unit+" |") {
				t.Errorf("the table has no %s:\n%s", f.Name, text)
			}
		}
	}
}

// What is lost or answered wrongly is a failure, not a better figure.
func TestFailuresAreTold(t *testing.T) {
	broken := contender{"broken", func() (server, error) { return startNode("/does/not/exist") }}
	z := quick
	results, err := runAll([]contender{broken}, &z, 1, "idle", "")
	if err == nil || len(results) != 1 || results[0].Failure == "" || !strings.Contains(table([]contender{broken}, results), "measure") {
		t.Errorf("%+v, %v", results, err)
	}
}

func TestNumberIn(t *testing.T) {
	for text, want := range map[string]int{`42["m",17,"x"]`: 17, `42["m",5]`: 5, `42["m"]`: -1, `42["m","x"]`: -1} {
		n, ok := numberIn([]byte(text))
		if !ok {
			n = -1
		}
		if n != want {
			t.Errorf("%s: %d", text, n)
		}
	}
}

// Frames that come in pieces are put together, whatever the pieces.
func TestFramesInPieces(t *testing.T) {
	var got []string
	w := &crowd{onEvent: func(_ *client, packet []byte) { got = append(got, string(packet)) }}
	text := "HTTP/1.1 101 x\r\n\r\n" + "\x81\x03abc" + "\x81\x7e\x00\x80" + strings.Repeat("y", 128) + "\x81\x01z"
	for size := 1; size < len(text); size += 7 {
		c := &client{ready: true, fd: -1}
		got = nil
		var rest []byte
		for from := 0; from < len(text); from += size {
			rest = w.handle(c, append(append([]byte{}, rest...), text[from:min(from+size, len(text))]...))
		}
		if len(rest) != 0 || len(got) != 3 || got[0] != "abc" || len(got[1]) != 128 || got[2] != "z" {
			t.Fatalf("pieces of %d: %q, rest %q", size, got, rest)
		}
	}
}
