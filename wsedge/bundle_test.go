package wsedge

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"github.com/realtime-svc/realtime-svc/wsedge/transport"
)

// testBundle is a bundle of its own, whatever the build carries.
func testBundle(prefix string) (*bundle, []byte) {
	content := bytes.Repeat([]byte("socket "), 1000)
	b := newBundle(prefix)
	b.etag = `"4.8.3"`
	b.files = map[string]*bundleFile{
		"socket.io.js":     newBundleFile("socket.io.js", content),
		"socket.io.js.map": newBundleFile("socket.io.js.map", content),
	}
	return b, content
}

func ask(serve func(http.ResponseWriter, *http.Request) bool, method, target string, header http.Header) (*http.Response, bool) {
	r := httptest.NewRequest(method, target, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	served := serve(w, r)
	return w.Result(), served
}

// PROTOCOL 6: type, caching, tags; neither method nor query matters; nothing but the files.
func TestBundleServes(t *testing.T) {
	b, content := testBundle("/rt/")
	for _, method := range []string{"GET", "POST", "OPTIONS", "DELETE"} {
		for target, kind := range map[string]string{
			"/rt/socket.io.js":         "application/javascript; charset=utf-8",
			"/rt/socket.io.js?x=y":     "application/javascript; charset=utf-8",
			"/rt/socket.io.js.map?a?b": "application/json; charset=utf-8",
		} {
			resp, _ := ask(b.serve, method, target, nil)
			if body, _ := io.ReadAll(resp.Body); !bytes.Equal(body, content) || resp.Header.Get("Content-Encoding") != "" {
				t.Errorf("%s %s: %.40q %v", method, target, body, resp.Header)
			}
			h := resp.Header
			if h.Get("Content-Type") != kind || h.Get("Cache-Control") != "public, max-age=0" || h.Get("ETag") != `"4.8.3"` {
				t.Errorf("%s %s: %v", method, target, h)
			}
		}
	}
	for tag, status := range map[string]int{`"4.8.3"`: 304, `W/"4.8.3"`: 304, `"4.8.2"`: 200, "4.8.3": 200, "*": 200, `"4.8.2", "4.8.3"`: 200} {
		resp, _ := ask(b.serve, "GET", "/rt/socket.io.js", http.Header{"If-None-Match": {tag}})
		if resp.StatusCode != status || status == 304 && len(resp.Header) != 0 {
			t.Errorf("If-None-Match %s: %d %v", tag, resp.StatusCode, resp.Header)
		}
	}
	if resp, served := ask(b.serve, "GET", "/rt/socket.io.min.js", nil); !served || resp.StatusCode != 404 {
		t.Errorf("a file that the build lacks: %d", resp.StatusCode)
	}
	for _, target := range []string{"/rt/", "/rt/socket.io.css", "/rt/../socket.io.js", "/rt/x/socket.io.js", "/rt/socket%2eio.js", "/rtsocket.io.js", "/rt/?socket.io.js", "/rt/VERSION"} {
		if _, served := ask(b.serve, "GET", target, nil); served {
			t.Errorf("%s was served", target)
		}
	}
	for _, prefix := range []string{"/rt", "/"} { // PROTOCOL 1.1: where Engine.IO does without the slash
		b, _ := testBundle(prefix)
		if _, served := ask(b.serve, "GET", strings.TrimSuffix(prefix, "/")+"/socket.io.js", nil); !served {
			t.Errorf("under %s nothing is served", prefix)
		}
	}
}

// PROTOCOL 6: br before gzip before deflate, as far as the client takes them.
func TestBundleCodings(t *testing.T) {
	b, content := testBundle("/rt/")
	for accept, want := range map[string]string{
		"gzip, deflate, br, zstd": "br", "gzip, deflate": "gzip", "deflate": "deflate", "deflate, gzip": "gzip", "identity": "", "": "",
		"br;q=0, *": "gzip", "gzip;q=0, br;q=0": "", "br;q=0.5, deflate;q=0.9": "deflate",
	} {
		for range 2 {
			resp, _ := ask(b.serve, "GET", "/rt/socket.io.js", http.Header{"Accept-Encoding": {accept}})
			coding := resp.Header.Get("Content-Encoding")
			if coding != want || resp.Header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%q: %v", accept, resp.Header)
			}
			packed, _ := io.ReadAll(resp.Body)
			if resp.Header.Get("Content-Length") != fmt.Sprint(len(packed)) || coding != "" && len(packed) > len(content)/10 {
				t.Errorf("%q: %d bytes, %v", accept, len(packed), resp.Header)
			}
			if got := unpack(t, coding, packed); !bytes.Equal(got, content) {
				t.Errorf("%q: %.40q", accept, got)
			}
		}
	}
}

func unpack(t *testing.T, coding string, packed []byte) []byte {
	t.Helper()
	var r io.Reader = bytes.NewReader(packed)
	var err error
	switch coding {
	case "br":
		r = brotli.NewReader(r)
	case "gzip":
		r, err = gzip.NewReader(r)
	case "deflate":
		r, err = zlib.NewReader(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// PROTOCOL 6: the files of this build are those of the reference, in size and banner, if it carries them.
func TestBundleIsTheReferencesOwn(t *testing.T) {
	sizes := map[string]int{"socket.io.js": 153519, "socket.io.min.js": 47295, "socket.io.esm.min.js": 40759, "socket.io.msgpack.min.js": 50630}
	b := newBundle("/socket.io/")
	if len(b.files) == 0 {
		if ClientVersion() != "" {
			t.Error("a version without files")
		}
		return // make bundle was not run
	}
	for _, name := range bundleNames {
		f := b.files[name]
		if f == nil {
			t.Errorf("%s is missing", name)
			continue
		}
		if size := sizes[name]; size != 0 && (len(f.content) != size || !bytes.Contains(f.content[:300], []byte("Socket.IO v4.8.4"))) {
			t.Errorf("%s: %d bytes, begins %.80q", name, len(f.content), f.content)
		}
		for _, coding := range bundleCodings {
			if !bytes.Equal(unpack(t, coding, f.coded[coding]()), f.content) {
				t.Errorf("%s in %s is another", name, coding)
			}
		}
	}
	if b.etag != `"4.8.4"` || len(bundleNames) != 8 || slices.Contains(bundleNames, "") {
		t.Errorf("%s %q", b.etag, bundleNames)
	}
}

// PROTOCOL 6, 1.9: CORS holds for the files as well, their preflights and 304 included; unknown names are the engine's.
func TestBundleUnderCORS(t *testing.T) {
	h := start(t, func(cfg *Config) {
		cfg.HTTP = transport.HTTPConfig{CORS: &transport.CORS{AnyOrigin: true, Credentials: true}}
	})
	do := func(method, file string, header http.Header) *http.Response {
		req, _ := http.NewRequest(method, "http://x/socket.io/"+file, nil)
		req.Header = header
		resp, err := h.poller().client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return resp
	}
	origin := func(more ...string) http.Header {
		header := http.Header{"Origin": {"https://app.example"}}
		for i := 0; i < len(more); i += 2 {
			header[more[i]] = []string{more[i+1]}
		}
		return header
	}
	for name, c := range map[string]struct {
		resp     *http.Response
		statuses []int // 404 where the build carries no bundle
		vary     string
	}{
		"file":      {do("GET", "socket.io.js", origin()), []int{200, 404}, "Origin"},
		"unchanged": {do("GET", "socket.io.js", origin("If-None-Match", `"4.8.4"`)), []int{304, 404}, "Origin"},
		"preflight": {do("OPTIONS", "socket.io.js", origin()), []int{204}, "Origin, Access-Control-Request-Headers"},
		"unknown":   {do("GET", "socket.io.css", origin()), []int{400}, "Origin"},
	} {
		header := c.resp.Header
		if !slices.Contains(c.statuses, c.resp.StatusCode) || header.Get("Access-Control-Allow-Origin") != "https://app.example" ||
			header.Get("Access-Control-Allow-Credentials") != "true" || header.Get("Vary") != c.vary {
			t.Errorf("%s: %s %v", name, c.resp.Status, header)
		}
		if c.resp.StatusCode == 304 && (header.Get("ETag") != "" || header.Get("Cache-Control") != "") {
			t.Errorf("%s: %v", name, header)
		}
	}
}

// HEAD says what GET would.
func TestBundleHead(t *testing.T) {
	h := start(t)
	status, _ := h.poller().do("HEAD", "EIO=4&transport=polling", "")
	if status != 400 {
		t.Errorf("the engine answers HEAD with %d", status)
	}
	req, _ := http.NewRequest("HEAD", "http://x/socket.io/socket.io.js", nil)
	resp, err := h.poller().client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if len(body) != 0 || resp.ContentLength <= 0 {
		t.Errorf("%s, %d bytes, length %d", resp.Status, len(body), resp.ContentLength)
	}
}

func BenchmarkBundle(b *testing.B) {
	file, _ := testBundle("/rt/")
	r := httptest.NewRequest("GET", "/rt/socket.io.js", nil)
	r.Header.Set("Accept-Encoding", "gzip, deflate, br")
	b.ReportAllocs()
	for b.Loop() {
		file.serve(httptest.NewRecorder(), r)
	}
}
