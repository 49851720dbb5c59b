package wsedge

import (
	"bytes"
	"compress/gzip"
	"embed"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// The stock Socket.IO client is fetched at build time (make bundle) and is not
// part of the repository; a build without it has an empty folder here.
//
//go:embed all:bundle/dist
var bundleFiles embed.FS

// bundleNames are the files that the reference serves (PROTOCOL 6).
var bundleNames = []string{
	"socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js",
	"socket.io.js.map", "socket.io.min.js.map", "socket.io.esm.min.js.map", "socket.io.msgpack.min.js.map",
}

// ClientVersion returns the version of the client bundle that this binary
// carries, empty if it was built without.
func ClientVersion() string {
	b, err := bundleFiles.ReadFile("bundle/dist/socket.io.min.js")
	if err != nil {
		return ""
	}
	m := banner.FindSubmatch(b[:min(len(b), 200)])
	if m == nil {
		return ""
	}
	return string(m[1])
}

var banner = regexp.MustCompile(`Socket\.IO v([0-9]+\.[0-9]+\.[0-9]+)`)

// bundle serves the client's files under path.
type bundle struct {
	path  string
	etag  string
	files map[string]*bundleFile
}

type bundleFile struct {
	content     []byte
	contentType string
	gzipped     func() []byte // made with the first request
}

func newBundle(prefix string) *bundle {
	b := &bundle{path: prefix, etag: strconv.Quote(ClientVersion()), files: make(map[string]*bundleFile)}
	for _, name := range bundleNames {
		content, err := bundleFiles.ReadFile(path.Join("bundle/dist", name))
		if err != nil {
			continue
		}
		f := &bundleFile{content: content, contentType: "application/javascript; charset=utf-8"}
		if strings.HasSuffix(name, ".map") {
			f.contentType = "application/json; charset=utf-8"
		}
		f.gzipped = sync.OnceValue(func() []byte { return zip(content) })
		b.files[name] = f
	}
	return b
}

func zip(content []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(content) // a bytes.Buffer takes everything
	_ = w.Close()
	return out.Bytes()
}

// serve answers a request for one of the files and reports whether it was one.
// A file that the build does not have is answered 404 with the reason, so that
// nobody has to guess from an Engine.IO error.
func (b *bundle) serve(w http.ResponseWriter, r *http.Request) bool {
	name := strings.TrimPrefix(r.URL.Path, b.path)
	f := b.files[name]
	if f == nil {
		if !isBundleName(name) {
			return false
		}
		http.Error(w, "this build of realtime-svc carries no Socket.IO client: run make bundle, then make build", http.StatusNotFound)
		return true
	}
	header := w.Header()
	header.Set("Cache-Control", "public, max-age=0")
	header.Set("ETag", b.etag)
	if match := r.Header.Get("If-None-Match"); match == b.etag || match == "W/"+b.etag {
		w.WriteHeader(http.StatusNotModified)
		return true
	}
	header.Set("Content-Type", f.contentType)
	header.Set("Vary", "Accept-Encoding")
	body := f.content
	if takesGzip(r.Header.Get("Accept-Encoding")) {
		header.Set("Content-Encoding", "gzip")
		body = f.gzipped()
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
	return true
}

// takesGzip reports whether an Accept-Encoding names gzip and does not give it
// the weight 0, which means "not this one" (RFC 9110, section 12.4.2).
func takesGzip(accept string) bool {
	for coding := range strings.SplitSeq(accept, ",") {
		name, weight, _ := strings.Cut(coding, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return strings.Trim(strings.TrimPrefix(strings.TrimSpace(weight), "q="), "0.") != "" || weight == ""
		}
	}
	return false
}

func isBundleName(name string) bool {
	for _, n := range bundleNames {
		if n == name {
			return true
		}
	}
	return false
}
