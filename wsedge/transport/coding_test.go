package transport

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// The first two columns are what the reference's negotiator (accepts 1.3) answers for polling and for its files; the
// third is ours for files, where br wins among equals (PROTOCOL 6).
//
//	node -e 'for (const a of list) console.log(accepts({headers: {"accept-encoding": a}}).encodings([…]))'
func TestChooseCoding(t *testing.T) {
	for _, c := range []struct{ accept, polling, reference, files string }{
		{"", "", "", ""},
		{"gzip", "gzip", "gzip", "gzip"},
		{"deflate", "deflate", "deflate", "deflate"},
		{"br", "", "br", "br"},
		{"*", "gzip", "br", "br"},
		{"*, deflate", "deflate", "deflate", "br"},
		{"gzip, deflate", "gzip", "gzip", "gzip"},
		{"deflate, gzip", "deflate", "deflate", "gzip"},
		{"deflate;q=0.5, gzip;q=0.9", "gzip", "gzip", "gzip"},
		{"gzip;q=0, deflate", "deflate", "deflate", "deflate"},
		{"gzip;q=0", "", "", ""},
		{"identity", "", "", ""},
		{"identity;q=1, gzip;q=0.1", "gzip", "gzip", "gzip"},
		{"*;q=0.3, gzip;q=0.1", "deflate", "br", "br"},
		{"*;q=0", "", "", ""},
		{"gzip, *;q=0", "gzip", "gzip", "gzip"},
		{"GZIP", "gzip", "gzip", "gzip"},
		{"x-gzip", "", "", ""},
		{"gzip;q=0.0001", "gzip", "gzip", "gzip"},
		{"gzip ; q=0.5 , deflate ; q=0.6", "deflate", "deflate", "deflate"},
		{"gzip;level=1;q=0.2, deflate;q=0.1", "gzip", "gzip", "gzip"},
		{"gzip, deflate, br, zstd", "gzip", "gzip", "br"},
		{"br;q=0.1, gzip;q=0.2", "gzip", "gzip", "gzip"},
		{"gzip;q=x", "", "", ""},
		{"gzip;q=", "", "", ""},
		{"gzip;q=2, deflate;q=1", "gzip", "gzip", "gzip"},
		{"gzip;q=-1", "", "", ""},
		{",,gzip", "gzip", "gzip", "gzip"},
		{"gzip deflate", "", "", ""},
		{"gzip;Q=0", "gzip", "gzip", "gzip"},
		{"*, gzip;q=0", "deflate", "br", "br"},
		{"deflate;q=0.4,*;q=0.8", "gzip", "br", "br"},
	} {
		if got := ChooseCoding(c.accept, false, "gzip", "deflate"); got != c.polling {
			t.Errorf("%q: polling in %q, want %q", c.accept, got, c.polling)
		}
		if got := ChooseCoding(c.accept, false, "br", "gzip", "deflate"); got != c.reference {
			t.Errorf("%q: by the client %q, want %q", c.accept, got, c.reference)
		}
		if got := ChooseCoding(c.accept, true, "br", "gzip", "deflate"); got != c.files {
			t.Errorf("%q: files in %q, want %q", c.accept, got, c.files)
		}
	}
}

func unpacked(t *testing.T, coding, body string) string {
	t.Helper()
	var r io.Reader = strings.NewReader(body)
	var err error
	switch coding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "deflate":
		r, err = zlib.NewReader(r)
	}
	if err != nil {
		t.Fatalf("%s: %v", coding, err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", coding, err)
	}
	return string(out)
}

// PROTOCOL 1.4, 11.20: polls are compressed from the threshold on, in what the client likes best, never with br.
func TestPollingCompression(t *testing.T) {
	for _, c := range []struct {
		accept    string
		threshold int
		size      int // of the payload
		coding    string
	}{
		{"Accept-Encoding: gzip, deflate, br", 0, 1024, "gzip"},
		{"Accept-Encoding: gzip, deflate, br", 0, 1023, ""},
		{"Accept-Encoding: deflate, gzip;q=0.5", 0, 5000, "deflate"},
		{"Accept-Encoding: br", 0, 5000, ""},
		{"Accept-Encoding: identity", 0, 5000, ""},
		{"X-None: 1", 0, 5000, ""},
		{"Accept-Encoding: gzip;q=0, deflate\r\nAccept-Encoding: br", 0, 5000, "deflate"},
		{"Accept-Encoding: gzip", 200, 200, "gzip"},
		{"Accept-Encoding: gzip", 200, 199, ""},
		{"Accept-Encoding: gzip", 1, 2, "gzip"},
		{"Accept-Encoding: gzip", -1, 50_000, ""},
	} {
		s := newSite(t, func(cfg *Config) { cfg.HTTP.CompressionThreshold = c.threshold })
		sid := s.open()
		text := strings.Repeat("ab", c.size)[:c.size-1]
		s.srv.Sessions()[0].Send(message(text), false)
		r := s.ask(line("GET", pollingURL+"&sid="+sid, c.accept))
		name := fmt.Sprintf("%s, %d of %d", c.accept, c.size, c.threshold)
		if r.status != 200 || r.header.Get("Content-Encoding") != c.coding || r.header.Get("Content-Length") != strconv.Itoa(len(r.body)) {
			t.Errorf("%s: %d %v", name, r.status, r.header)
		}
		if r.header.Get("Content-Type") != "text/plain; charset=UTF-8" || r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", name, r.header)
		}
		if got := unpacked(t, c.coding, r.body); got != "4"+text {
			t.Errorf("%s: %.20q", name, got)
		}
	}
}

// What an application sends at once may make the first answer long; POST answers and refusals are never compressed.
func TestCompressionOfOtherAnswers(t *testing.T) {
	s := newSite(t, func(cfg *Config) {
		cfg.OnSession = func(s *Session) Handler {
			s.Send(message(strings.Repeat("x", 2000)), false)
			return &endings{}
		}
		cfg.HTTP.CompressionThreshold = 1
	})
	r := s.ask(line("GET", pollingURL, "Accept-Encoding: gzip"))
	got := unpacked(t, r.header.Get("Content-Encoding"), r.body)
	if r.header.Get("Content-Encoding") != "gzip" || !strings.HasPrefix(got, "0{") || !strings.HasSuffix(got, "xx") {
		t.Errorf("%v %.40q", r.header, got)
	}
	sid := got[len(`0{"sid":"`):][:20]
	for name, raw := range map[string]string{
		"POST":    line("POST", pollingURL+"&sid="+sid, "Accept-Encoding: gzip", "Content-Length: 1") + "4",
		"refusal": line("GET", pollingURL+"&sid=no", "Accept-Encoding: gzip"),
	} {
		if r := s.ask(raw); r.header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %v", name, r.header)
		}
	}
}

// Packets whose sender wants them as they are stay so; the result never shares the body's bytes.
func TestCompressPayload(t *testing.T) {
	srv, _ := running(t)
	r, _ := http.NewRequest("GET", "/", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	body := bytes.Repeat([]byte("4x\x1e"), 1000)
	h := http.Header{}
	if out := srv.compressPayload(h, r, body, false); !bytes.Equal(out, body) || len(h) != 0 {
		t.Errorf("compress false: %v", h)
	}
	var random [4096]byte
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	for _, body := range [][]byte{body, random[:]} { // also what does not get smaller
		h := http.Header{}
		for range 3 { // pooled compressors start anew
			out := srv.compressPayload(h, r, body, true)
			if got := unpacked(t, h.Get("Content-Encoding"), string(out)); got != string(body) {
				t.Errorf("%.20q", got)
			}
		}
	}
}

// PROTOCOL 1.4.
func TestXSSProtectionHeader(t *testing.T) {
	s := newSite(t, nil)
	sid := s.open()
	for agent, want := range map[string]string{
		"Mozilla/5.0 (compatible;MSIE 10.0; Windows NT 6.2)": "0",
		"Mozilla/5.0 (Windows NT 6.3; Trident/7.0; rv:11.0)": "0",
		"Mozilla/5.0 (compatible; MSIE 10.0)":                "",
		"Mozilla/5.0 (X11; Linux) Gecko":                     "",
	} {
		for name, raw := range map[string]string{
			"handshake": line("GET", pollingURL, "User-Agent: "+agent),
			"POST":      line("POST", pollingURL+"&sid="+sid, "User-Agent: "+agent, "Content-Length: 1") + "4",
		} {
			if r := s.ask(raw); r.status != 200 || r.header.Get("X-XSS-Protection") != want {
				t.Errorf("%s, %s: %d %v", agent, name, r.status, r.header)
			}
		}
	}
}

func BenchmarkCompressPayload(b *testing.B) {
	var body bytes.Buffer
	for i := 0; body.Len() < 4096; i++ {
		fmt.Fprintf(&body, `42["order",{"id":%d,"price":%d,"state":"open","customer":"c%d"}]`+"\x1e", i, i*37%1009, i*31%97)
	}
	for _, coding := range []string{"gzip", "deflate"} {
		b.Run(coding, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n = len(pack(coding, body.Bytes()))
			}
			b.ReportMetric(float64(n)/float64(body.Len()), "ratio")
		})
	}
}

// PROTOCOL 1.4: one packet that may be compressed is enough, none is not. JSONP answers and payloads of revision 3 are
// compressed as a whole.
func TestCompressionByPacketAndForm(t *testing.T) {
	s := newSite(t, func(cfg *Config) { cfg.AllowEIO3 = true })
	long := strings.Repeat("ab", 1000)
	for _, c := range []struct {
		name, eio, more string
		send            []*Prepared
		coding, want    string
		kind            string
	}{
		{"compress false", "4", "", []*Prepared{message(long).Uncompressed()}, "", "4" + long, "text/plain; charset=UTF-8"},
		{"one of two", "4", "", []*Prepared{message(long).Uncompressed(), message("x")}, "gzip", "4" + long + "\x1e4x", "text/plain; charset=UTF-8"},
		{"neither of two", "4", "", []*Prepared{message(long).Uncompressed(), message("x").Uncompressed()}, "", "4" + long + "\x1e4x", "text/plain; charset=UTF-8"},
		{"JSONP", "4", "&j=7", []*Prepared{message(long)}, "gzip", `___eio[7]("4` + long + `");`, "text/plain; charset=UTF-8"},
		{"revision 3", "3", "&b64=1", []*Prepared{message(long)}, "gzip", "2001:4" + long, "text/plain; charset=UTF-8"},
		{"revision 3, bytes", "3", "", []*Prepared{message("4", []byte(long))}, "gzip",
			"\x00\x02\xff44" + "\x01\x02\x00\x00\x01\xff\x04" + long, "application/octet-stream"},
	} {
		opened := s.ask(line("GET", "/socket.io/?transport=polling&EIO="+c.eio))
		_, rest, _ := strings.Cut(opened.body, `"sid":"`)
		sid := rest[:20]
		for _, p := range c.send {
			s.srv.sessions.find(sid).Send(p, false)
		}
		r := s.ask(line("GET", "/socket.io/?transport=polling&EIO="+c.eio+"&sid="+sid+c.more, "Accept-Encoding: gzip"))
		if r.header.Get("Content-Encoding") != c.coding || r.header.Get("Content-Type") != c.kind || r.header.Get("Content-Length") != strconv.Itoa(len(r.body)) {
			t.Errorf("%s: %v", c.name, r.header)
		}
		if got := unpacked(t, r.header.Get("Content-Encoding"), r.body); got != c.want {
			t.Errorf("%s: %.60q, want %.60q", c.name, got, c.want)
		}
	}
}
