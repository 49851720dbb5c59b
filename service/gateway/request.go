package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// serve answers one request.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if p := g.stranger(r); p != nil {
		p.write(w)
		return
	}
	if r.Method == http.MethodPost {
		if p := g.readBody(w, r); p != nil {
			p.write(w)
			return
		}
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if r.TLS != nil {
		ctx = context.WithValue(ctx, tlsKey{}, r.TLS)
	}
	r = r.WithContext(ctx)
	r.Header = passed(r.Header)
	g.routes.ServeHTTP(&answer{ResponseWriter: w, cancel: cancel}, r)
}

// passed returns the headers that grpc-gateway is to see. It would log what it does not understand of others, as often as anybody wishes.
func passed(h http.Header) http.Header {
	kept := http.Header{}
	for _, name := range []string{"Authorization", "Grpc-Timeout", "Traceparent", "Tracestate"} {
		for _, value := range h.Values(name) {
			if strings.IndexFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) < 0 {
				kept.Add(name, value)
			}
		}
	}
	return kept
}

// stranger refuses what a page makes a browser send without its user: one of another origin, and one whose name leads here. Nil: it is none.
// Browsers send Sec-Fetch-Site to this machine and over TLS, and Origin with every request that changes something.
func (g *Gateway) stranger(r *http.Request) *problem {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		return &problem{http.StatusForbidden, codes.PermissionDenied, "pages of other origins may not call"}
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if from, err := url.Parse(origin); err != nil || !strings.EqualFold(from.Host, r.Host) {
			return &problem{http.StatusForbidden, codes.PermissionDenied, "pages of other origins may not call"}
		}
	}
	if g.cfg.LocalOnly() && !local(r.Host) {
		return &problem{
			http.StatusForbidden, codes.PermissionDenied,
			"without tokens or client certificates only requests to localhost or a loopback address are taken, by their Host header",
		}
	}
	return nil
}

// local reports whether a Host header names this machine, whatever a name server says.
func local(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// readBody reads the body, which must be JSON by its type: a form of a stranger's page cannot say so, and a script must ask first, which is never
// granted. A query besides it would be passed over, and is refused.
func (g *Gateway) readBody(w http.ResponseWriter, r *http.Request) *problem {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" || len(r.Header.Values("Content-Type")) != 1 {
		return &problem{http.StatusUnsupportedMediaType, codes.InvalidArgument, "the Content-Type must be application/json"}
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return &problem{http.StatusUnsupportedMediaType, codes.InvalidArgument, "the body must not be encoded"}
	}
	if r.URL.RawQuery != "" {
		return &problem{http.StatusBadRequest, codes.InvalidArgument, "query: a POST has its fields in the body"}
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout)) // a connection that is gone fails in the read
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(g.cfg.MaxBody)))
	_ = control.SetReadDeadline(time.Time{})
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return &problem{http.StatusRequestEntityTooLarge, codes.ResourceExhausted, "the body is too large"}
	}
	if err != nil {
		w.Header().Set("Connection", "close")
		return &problem{http.StatusRequestTimeout, codes.DeadlineExceeded, "the body did not come"}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// answer is the ResponseWriter of one request. A client that is gone ends the call, and is no failure to tell of.
type answer struct {
	http.ResponseWriter
	cancel context.CancelFunc
	begun  bool
}

// WriteHeader implements http.ResponseWriter. Only the first counts: that of a stream is written when it begins.
func (a *answer) WriteHeader(code int) {
	if !a.begun {
		a.begun = true
		a.ResponseWriter.WriteHeader(code)
	}
}

// Write implements http.ResponseWriter. It does not fail.
func (a *answer) Write(p []byte) (int, error) {
	a.begun = true
	if _, err := a.ResponseWriter.Write(p); err != nil {
		a.cancel()
	}
	return len(p), nil
}

// FlushError is what http.ResponseController calls. It does not fail.
func (a *answer) FlushError() error {
	if err := http.NewResponseController(a.ResponseWriter).Flush(); err != nil {
		a.cancel()
	}
	return nil
}

// begin sends the head of a stream as soon as it has begun, for which grpc-gateway calls it without a message.
func begin(_ context.Context, w http.ResponseWriter, m proto.Message) error {
	if m != nil {
		return nil
	}
	w.Header().Set("Content-Type", linesType)
	w.WriteHeader(http.StatusOK)
	return http.NewResponseController(w).Flush()
}
