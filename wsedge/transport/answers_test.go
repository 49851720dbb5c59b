package transport

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// answerRow is one row of testdata/answers.json: what was asked, and what the reference said.
type answerRow struct {
	Method, Transport, SID, EIO string
	Upgrade                     bool
	Status                      int
	Type, Body                  string
}

// ours is the row with what we answer on purpose where the reference is weak.
func (row answerRow) ours() answerRow {
	switch {
	case row.Status == 101 && row.SID == "" && row.EIO != "4":
		// It answers 101, and then a second head, with the refusal, where frames are expected.
		row.Status, row.Type, row.Body = 400, "text/html", "Unsupported protocol version"
	case row.Status == 405:
		// ws' own answer; PROTOCOL 1.2 promises 400 on every refused upgrade.
		row.Status, row.Body = 400, "Bad request"
	case row.Status == 0:
		// A poll that waits: the test has something for it.
		row.Status, row.Type, row.Body = 200, "text/plain; charset=UTF-8", "4x"
	}
	return row
}

func (row answerRow) request(sid string) string {
	var query []string
	for _, p := range [][2]string{{"EIO", row.EIO}, {"transport", row.Transport}, {"sid", sid}} {
		if p[1] != "" {
			query = append(query, p[0]+"="+p[1])
		}
	}
	target := "/socket.io/?" + strings.Join(query, "&")
	if row.Upgrade {
		return row.Method + strings.TrimPrefix(upgrade(target), "GET")
	}
	return line(row.Method, target, "Content-Length: 1") + "4"
}

// PROTOCOL 1.2, 11.3: every combination of method, upgrade, transport, sid and EIO is answered as the reference does, by
// both ways in.
func TestAnswersAsTheReference(t *testing.T) {
	b, err := os.ReadFile("testdata/answers.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []answerRow
	if err := json.Unmarshal(b, &rows); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, nil)
	masked := regexp.MustCompile(`"sid":"[^"]*"`)
	for _, row := range rows {
		want := row.ours()
		for way, ask := range map[string]func(string) reply{"new": s.ask, "kept": s.askKept} {
			sid := row.SID
			if sid == "live" {
				sid = s.open()
				if row.Status == 0 {
					s.srv.sessions.find(sid).Send(message("x"), false)
				}
			}
			r := ask(row.request(sid))
			got := row
			got.Status, got.Type, got.Body = r.status, r.header.Get("Content-Type"), masked.ReplaceAllString(r.body, `"sid":"SID"`)
			if got != want {
				t.Errorf("%s:\n%+v, want\n%+v", way, got, want)
			}
		}
	}
	if len(rows) != 4*2*5*4*3 {
		t.Error(fmt.Sprint(len(rows)) + " rows")
	}
}

// PROTOCOL 9: CVE-2023-31125 is an upgrade request with a crafted transport, CVE-2022-41940 one whose client is gone before
// the refusal: the server goes on.
func TestCVE_2023_31125_And_CVE_2022_41940_UpgradeRequests(t *testing.T) {
	s := newSite(t, nil)
	for _, transport := range []string{"", "__proto__", "constructor", "%00", "toString", "webtransport", "polling,websocket", strings.Repeat("x", 7000)} {
		if r := s.ask(upgrade("/socket.io/?EIO=4&transport=" + transport)); r.status != 400 || r.body != "Transport unknown" {
			t.Errorf("%.20s: %d %s", transport, r.status, r.body)
		}
		c := s.dial()
		_, _ = c.Write([]byte(upgrade("/socket.io/?EIO=4&transport=" + transport)))
		if linger, ok := c.(interface{ SetLinger(int) error }); ok {
			_ = linger.SetLinger(0) // a reset, not an end
		}
		c.Close()
	}
	if r := s.ask(upgrade(webSocketURL)); r.status != 101 {
		t.Errorf("afterwards: %d", r.status)
	}
}
