package main

import (
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// How long a client may take to send a body, which is skipped, and to read a file.
const (
	webBodyTimeout = 10 * time.Second
	webFileTimeout = 5 * time.Minute
)

// webRoot serves the files of a folder to browsers; nil when there is none. It answers GET and HEAD. Links are followed.
func webRoot(dir string) http.Handler {
	if dir == "" {
		return nil
	}
	files := http.FileServer(publicFiles{http.Dir(dir)})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The edge leaves the deadlines to us: nobody holds a connection by
		// sending a body that nobody wants, or by not reading.
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Now().Add(webBodyTimeout))
		_ = control.SetWriteDeadline(time.Now().Add(webFileTimeout))
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		files.ServeHTTP(w, r)
	})
}

// publicFiles hides what a folder holds besides pages: names that begin with a dot, which are version control's,
// editors' and secrets, and the list of a folder without an index.html.
type publicFiles struct{ all http.FileSystem }

// Open implements http.FileSystem.
func (f publicFiles) Open(name string) (http.File, error) {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") {
			return nil, fs.ErrNotExist
		}
	}
	file, err := f.all.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = f.hasIndex(name)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

func (f publicFiles) hasIndex(dir string) error {
	index, err := f.all.Open(path.Join(dir, "index.html"))
	if err != nil {
		return err
	}
	return index.Close()
}
