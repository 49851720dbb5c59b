package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

func TestWebRoot(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"index.html": "hello", "app.js": "js", "sub/index.html": "sub", "assets/a.css": "css",
		".secret": "no", ".git/config": "no", "assets/.hidden/x": "no",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := webRoot(dir)
	for _, c := range []struct {
		method, path string
		code         int
		body         string
	}{
		{"GET", "/", 200, "hello"},
		{"GET", "/app.js", 200, "js"},
		{"HEAD", "/app.js", 200, ""},
		{"GET", "/sub/", 200, "sub"},
		{"GET", "/sub", 301, ""},
		{"GET", "/assets/a.css", 200, "css"},
		{"GET", "/assets/", 404, "404 page not found\n"},
		{"GET", "/assets", 404, "404 page not found\n"},
		{"GET", "/nothing", 404, "404 page not found\n"},
		{"GET", "/.secret", 404, "404 page not found\n"},
		{"GET", "/.git/config", 404, "404 page not found\n"},
		{"GET", "/x/../.secret", 404, "404 page not found\n"},
		{"GET", "/assets/.hidden/x", 404, "404 page not found\n"},
		{"GET", "/../" + filepath.Base(dir) + "/app.js", 404, "404 page not found\n"},
		{"POST", "/app.js", 405, "method not allowed\n"},
		{"DELETE", "/app.js", 405, "method not allowed\n"},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(c.method, "/", http.NoBody)
		r.URL.Path = c.path
		h.ServeHTTP(w, r)
		if w.Code != c.code || w.Body.String() != c.body {
			t.Errorf("%s %s: %d %q", c.method, c.path, w.Code, w.Body.String())
		}
		if w.Code == 200 && w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: a browser may guess its type", c.path)
		}
	}
	if webRoot("") != nil {
		t.Error("no folder is served all the same")
	}
}
