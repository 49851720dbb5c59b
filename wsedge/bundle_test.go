package wsedge

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

func TestTakesGzip(t *testing.T) {
	for accept, want := range map[string]bool{
		"":                         false,
		"identity":                 false,
		"gzip":                     true,
		"GZIP":                     true,
		"deflate, gzip;q=1.0, *":   true,
		"br;q=1.0 , gzip ; q=0.01": true,
		"gzip;q=0":                 false,
		"gzip; q=0.000, br":        false,
		"x-gzip":                   false,
		"br, notgzip":              false,
	} {
		if got := takesGzip(accept); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}

// Whatever a build carries, the bundle answers so.
func TestBundleServes(t *testing.T) {
	content := bytes.Repeat([]byte("socket "), 1000)
	b := &bundle{path: "/rt/", etag: `"4.8.3"`, files: map[string]*bundleFile{"socket.io.js": {
		content:     content,
		contentType: "application/javascript; charset=utf-8",
		gzipped:     sync.OnceValue(func() []byte { return zip(content) }),
	}}}
	serve := func(method, target string, header http.Header) (*http.Response, bool) {
		r := httptest.NewRequest(method, target, nil)
		for name, values := range header {
			r.Header[name] = values
		}
		w := httptest.NewRecorder()
		served := b.serve(w, r)
		return w.Result(), served
	}
	for _, method := range []string{"GET", "POST"} { // PROTOCOL 6: the method is not checked
		resp, _ := serve(method, "/rt/socket.io.js?x=y", nil)
		if body, _ := io.ReadAll(resp.Body); !bytes.Equal(body, content) || resp.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %.40q %v", method, body, resp.Header)
		}
	}
	resp, _ := serve("GET", "/rt/socket.io.js", http.Header{"Accept-Encoding": {"gzip;q=0, br"}})
	if resp.Header.Get("Content-Encoding") != "" || resp.Header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("gzip refused: %v", resp.Header)
	}
	resp, _ = serve("GET", "/rt/socket.io.js", http.Header{"Accept-Encoding": {"br, gzip"}})
	r, err := gzip.NewReader(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(r); !bytes.Equal(body, content) || resp.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("gzip: %.40q %v", body, resp.Header)
	}
	for tag, status := range map[string]int{`"4.8.3"`: 304, `W/"4.8.3"`: 304, `"4.8.2"`: 200, "4.8.3": 200} {
		if resp, _ := serve("GET", "/rt/socket.io.js", http.Header{"If-None-Match": {tag}}); resp.StatusCode != status {
			t.Errorf("If-None-Match %s: %d", tag, resp.StatusCode)
		}
	}
	if resp, served := serve("GET", "/rt/socket.io.min.js", nil); !served || resp.StatusCode != 404 {
		t.Errorf("a file that the build lacks: %d", resp.StatusCode)
	}
	for _, target := range []string{"/rt/", "/rt/socket.io.css", "/rt/../socket.io.js", "/rt/x/socket.io.js"} {
		if _, served := serve("GET", target, nil); served {
			t.Errorf("%s was served", target)
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
