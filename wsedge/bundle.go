package wsedge

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"embed"
	"io"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"

	"github.com/realtime-svc/realtime-svc/wsedge/transport"
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

// bundle serves the client's files under path (PROTOCOL 6).
type bundle struct {
	path  string // ends with a slash
	etag  string
	files map[string]*bundleFile
}

type bundleFile struct {
	content     []byte
	contentType string
	coded       map[string]func() []byte // by content coding; each is made with the first request for it
}

// bundleCodings are the content codings of the files, the smallest first.
var bundleCodings = []string{"br", "gzip", "deflate"}

// brotliLevel makes socket.io.min.js 14.3 KB in 60 ms, once; the highest, 11, saves
// another 7 % and takes 1.5 s for the largest map.
const brotliLevel = 9

func newBundle(prefix string) *bundle {
	b := &bundle{
		path:  strings.TrimSuffix(prefix, "/") + "/", // also where Engine.IO does without the slash
		etag:  strconv.Quote(ClientVersion()),
		files: make(map[string]*bundleFile),
	}
	for _, name := range bundleNames {
		if content, err := bundleFiles.ReadFile(path.Join("bundle/dist", name)); err == nil {
			b.files[name] = newBundleFile(name, content)
		}
	}
	return b
}

func newBundleFile(name string, content []byte) *bundleFile {
	f := &bundleFile{content: content, contentType: "application/javascript; charset=utf-8", coded: make(map[string]func() []byte)}
	if strings.HasSuffix(name, ".map") {
		f.contentType = "application/json; charset=utf-8"
	}
	for _, coding := range bundleCodings {
		f.coded[coding] = sync.OnceValue(func() []byte { return encode(coding, content) })
	}
	return f
}

func encode(coding string, content []byte) []byte {
	var out bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "br":
		w = brotli.NewWriterLevel(&out, brotliLevel)
	case "gzip":
		w = gzip.NewWriter(&out)
	default:
		w = zlib.NewWriter(&out) // what HTTP calls deflate (RFC 9110, section 8.4.1.2)
	}
	_, _ = w.Write(content) // a bytes.Buffer takes everything
	_ = w.Close()
	return out.Bytes()
}

// serve answers a request for one of the files and reports whether it was one.
// A file that the build does not have is answered 404 with the reason, so that
// nobody has to guess from an Engine.IO error. Neither the method nor the query
// matters, and the raw URL must be the file's: escapes are not decoded.
func (b *bundle) serve(w http.ResponseWriter, r *http.Request) bool {
	target, _, _ := strings.Cut(r.RequestURI, "?")
	name, ok := strings.CutPrefix(target, b.path)
	if !ok || !slices.Contains(bundleNames, name) {
		return false
	}
	f := b.files[name]
	if f == nil {
		http.Error(w, "this build of realtime-svc carries no Socket.IO client: run make bundle, then make build", http.StatusNotFound)
		return true
	}
	header := w.Header()
	if match := r.Header.Get("If-None-Match"); match == b.etag || match == "W/"+b.etag {
		w.WriteHeader(http.StatusNotModified) // without other headers, as the reference
		return true
	}
	header.Set("Cache-Control", "public, max-age=0")
	header.Set("ETag", b.etag)
	header.Set("Content-Type", f.contentType)
	header.Add("Vary", "Accept-Encoding") // CORS has one of its own
	body := f.content
	if coding := transport.ChooseCoding(strings.Join(r.Header["Accept-Encoding"], ","), true, bundleCodings...); coding != "" {
		header.Set("Content-Encoding", coding)
		body = f.coded[coding]()
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
	return true
}
