package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// upstreamIdle is how long a client or the app may be silent in the middle of a body; WebSockets of the app's may be for ever.
const upstreamIdle = time.Minute

// webUpstream passes what is not Socket.IO's on to a web app, WebSockets included: nil when there is none. The app sees the host
// that the browser asked for, and the client in X-Forwarded-For, -Proto and -Host, of which nothing is believed but what trusted
// proxies say. Bodies are passed on as they come.
func webUpstream(address string, trusted []netip.Prefix, logger *slog.Logger) http.Handler {
	if address == "" {
		return nil
	}
	target, err := url.Parse(address)
	if err != nil {
		panic(err) // Validate has parsed it
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
			if fromTrusted(r.In.RemoteAddr, trusted) {
				for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"} {
					r.Out.Header[name] = r.In.Header[name]
				}
			}
			said := r.Out.Header.Clone()
			r.SetXForwarded()
			for _, name := range []string{"X-Forwarded-Proto", "X-Forwarded-Host"} {
				if values := said[name]; len(values) > 0 {
					r.Out.Header[name] = values
				}
			}
		},
		Transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			MaxIdleConnsPerHost:   64,
			IdleConnTimeout:       time.Minute,
			ResponseHeaderTimeout: upstreamIdle,
			DisableCompression:    true, // what the browser and the app agree on is theirs
		},
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if errors.Is(err, context.Canceled) { // the browser has left
				return
			}
			logger.WarnContext(r.Context(), "the web app did not answer", "error", err)
			http.Error(w, "the web application does not answer", http.StatusBadGateway)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if r.Header.Get("Upgrade") != "" {
			_ = control.SetReadDeadline(time.Time{})
			_ = control.SetWriteDeadline(time.Time{})
			proxy.ServeHTTP(w, r)
			return
		}
		_ = control.SetReadDeadline(time.Now().Add(upstreamIdle))
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = &patientBody{r.Body, control}
		}
		proxy.ServeHTTP(&patientWriter{w, control}, r)
	})
}

// fromTrusted reports whether a peer is one of the trusted proxies.
func fromTrusted(peer string, trusted []netip.Prefix) bool {
	at, err := netip.ParseAddrPort(peer)
	return err == nil && slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(at.Addr().Unmap()) })
}

// patientBody gives the client more time with everything that it sends.
type patientBody struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b *patientBody) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(time.Now().Add(upstreamIdle))
	return b.ReadCloser.Read(p)
}

// patientWriter gives it more time with everything that it reads.
type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (w *patientWriter) Write(p []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(upstreamIdle))
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// checkWeb covers what answers outside Socket.IO's path.
func (c *Config) checkWeb(wrong func(name, format string, args ...any)) {
	if c.WebUpstream == "" {
		return
	}
	if c.WebRoot != "" {
		wrong("web-upstream", "and --web-root exclude each other")
	}
	u, err := url.Parse(c.WebUpstream)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		wrong("web-upstream", "%q does not have the form http://HOST:PORT", c.WebUpstream)
		return
	}
	if strings.Trim(u.Path, "/") != "" {
		wrong("web-upstream", "%q has a path; the app gets paths as browsers ask for them", c.WebUpstream)
	}
}
