package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// HTTPConfig configures what concerns requests rather than sessions. The zero
// value is the reference's default: no CORS, no cookie, every Origin welcome,
// large polling answers compressed.
//
// Functions may be called from many goroutines at once, and must not keep the
// request. A WebSocket handshake takes the fast way in only while Middleware,
// InitialHeaders and Headers are nil and Admit is not asked: with one of them it
// goes through net/http, which costs twice the CPU and no memory afterwards.
type HTTPConfig struct {
	// DisableTrailingSlash serves Config.Path without its last slash:
	// "/socket.io?EIO=4" instead of "/socket.io/?EIO=4". Requests are told apart
	// by the prefix of their raw URL, so "/socket.iofoo" is Engine.IO's then.
	DisableTrailingSlash bool
	// CORS are the headers for browsers on other origins, on every answer under
	// Path but the 101 of a WebSocket. Nil means that there are none. CORS keeps
	// nobody out; AllowedOrigins does.
	CORS *CORS
	// AllowedOrigins are the origins that may make sessions and use them, by
	// polling and by WebSocket: "https://app.example" with the port if it is not
	// the scheme's, "https://*.app.example" for every name below, "null", or "*".
	// Any other is refused (code 4). Empty means that all may (PROTOCOL 1.9).
	AllowedOrigins []string
	// RequireOrigin refuses (code 4) requests without an Origin header when
	// AllowedOrigins is set. Browsers leave it out of polls of their own origin.
	RequireOrigin bool
	// Cookie is set by the first answer of a polling session, with the session's
	// id, which is a secret, for its Value. Nil means none; DefaultCookie is the
	// reference's.
	Cookie *http.Cookie
	// CompressionThreshold is the length in bytes from which the answer to a poll
	// is compressed. 0 means 1024; below 0 none is.
	CompressionThreshold int
	// Middleware wraps what serves polling and upgrade requests, inside of CORS
	// and outside of all checks; Files and Fallback are not wrapped. Headers that
	// it sets are also in the 101 of a WebSocket, without those that belong to
	// the connection or to a body. A writer that it puts in place must have
	// Unwrap for WebSockets to work. If it answers an upgrade itself, the
	// connection is closed after that. With it every WebTransport client is refused
	// (code 3), as in the reference.
	Middleware func(http.Handler) http.Handler
	// Admit decides on a handshake, before there is a session. An error refuses
	// it with code 4: a *engineio.Refusal in its own words, any other as
	// "Forbidden", and is not shown to the client. Admit may block: it is called
	// on a goroutine of its own, and must return when ctx ends, which is after
	// AdmitTimeout, or when the client gives up or the server stops accepting. It
	// is not asked about a handshake that the limits of its address refuse; one that
	// it refuses itself counts for HandshakesPerSecond. A WebTransport client is
	// asked about when it has said that it wants a session of its own, and its
	// connection is closed if it is refused: by then its request has been answered.
	// Nil admits everybody.
	Admit func(ctx context.Context, r *http.Request) error
	// Asks reports whether Admit has to be asked at this moment; while it has not,
	// everybody is admitted and nothing is slower than without Admit. It is called
	// for each handshake, on the fast way in as well, and must not block. Nil: it
	// always has. Only with Admit.
	Asks func() bool
	// AdmitTimeout bounds Admit; what it says later is a refusal. 0 means 5 s, 30
	// s is the most.
	AdmitTimeout time.Duration
	// InitialHeaders may add to the headers of the first answer of a session: its
	// open packet by polling, or the 101 of a WebSocket that carries it from the
	// start. Content-Type, Content-Length, Content-Encoding and Cache-Control of
	// a polling answer are the server's.
	InitialHeaders func(h http.Header, r *http.Request)
	// Headers does the same, after InitialHeaders, for every answer to a request
	// that passed the checks, and for every 101.
	Headers func(h http.Header, r *http.Request)
	// OnRefused hears of every refused request before it is answered. Nil: only
	// the counters in Stats and a line at debug level tell.
	OnRefused func(r *http.Request, refusal *engineio.Refusal, why RefusalContext)
}

const (
	defaultAdmitTimeout         = 5 * time.Second
	defaultCompressionThreshold = 1024
)

// Validate reports every problem at once, nil if there is none.
func (c HTTPConfig) Validate() error { return c.setDefaults() }

// setDefaults fills in the defaults and reports every problem at once.
func (c *HTTPConfig) setDefaults() error {
	c.AdmitTimeout = orDefault(c.AdmitTimeout, defaultAdmitTimeout)
	c.CompressionThreshold = orDefault(c.CompressionThreshold, defaultCompressionThreshold)
	var err error
	if c.CORS != nil {
		err = c.CORS.validate()
	}
	if c.AdmitTimeout < 0 || c.AdmitTimeout > answerTimeout { // the answer's own deadline must be later
		err = errors.Join(err, fmt.Errorf("transport: AdmitTimeout %v is not within 0 and %v", c.AdmitTimeout, answerTimeout))
	}
	if c.Asks != nil && c.Admit == nil {
		err = errors.Join(err, errors.New("transport: Asks without Admit"))
	}
	if c.RequireOrigin && len(c.AllowedOrigins) == 0 {
		err = errors.Join(err, errors.New("transport: RequireOrigin without AllowedOrigins"))
	}
	_, e := newOriginList(c.AllowedOrigins)
	return errors.Join(err, e, validateCookie(c.Cookie))
}

// prefix is what the raw URL of a request that is ours begins with.
func (c *HTTPConfig) prefix(path string) (string, error) {
	bad := func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '?' || c == '#' }
	if !strings.HasPrefix(path, "/") || strings.ContainsFunc(path, bad) {
		return "", fmt.Errorf("transport: path %q is not what a URL's path begins with: a slash, then no space, ? or #", path)
	}
	path = strings.TrimSuffix(path, "/")
	if !c.DisableTrailingSlash {
		path += "/"
	}
	return path, nil
}

// hooked reports whether handshakes need an *http.Request.
func (c *HTTPConfig) hooked() bool {
	return c.Middleware != nil || c.asks() || c.InitialHeaders != nil || c.Headers != nil
}

// asks reports whether Admit is asked now.
func (c *HTTPConfig) asks() bool { return c.Admit != nil && (c.Asks == nil || c.Asks()) }

// engineHandler is what serves the requests that are Engine.IO's.
func (s *Server) engineHandler() http.Handler {
	var engine http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isUpgrade(r) {
			s.serveUpgrade(w, r)
		} else {
			s.servePolling(w, r)
		}
	})
	if s.cfg.HTTP.Middleware == nil {
		return engine
	}
	wrapped := s.cfg.HTTP.Middleware(engine)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isUpgrade(r) {
			w.Header().Set("Connection", "close") // unless it becomes a WebSocket
		}
		wrapped.ServeHTTP(w, r)
	})
}

// isUpgrade reports whether a request asks to leave HTTP. Upgrade counts only
// when Connection names it (RFC 9110, section 7.8), as in the reference.
func isUpgrade(r *http.Request) bool {
	return r.Header.Get("Upgrade") != "" && hasToken([]byte(strings.Join(r.Header["Connection"], ",")), "upgrade")
}

// foreign answers a request outside Path when there is no Fallback. An upgrade
// request costs its connection; the reference says nothing and cuts it after a
// second (PROTOCOL 1.1), which keeps a descriptor busy and tells the client less.
func foreign(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "" {
		w.Header().Set("Connection", "close")
	}
	http.NotFound(w, r)
}

// admit asks Config.HTTP.Admit about a handshake. ctx ends when its client goes.
func (s *Server) admit(ctx context.Context, r *http.Request) *engineio.Refusal {
	if !s.cfg.HTTP.asks() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.HTTP.AdmitTimeout)
	defer cancel()
	defer context.AfterFunc(s.accepting, cancel)()
	err := s.cfg.HTTP.Admit(ctx, r)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		return nil
	}
	refusal := &engineio.Refusal{Code: engineio.ErrForbidden.Code, Message: engineio.ErrForbidden.Message}
	var words *engineio.Refusal
	if errors.As(err, &words) {
		if words.Message != "" {
			refusal.Message = words.Message
		}
	} else {
		s.cfg.Logger.Debug("handshake not admitted", "error", err)
	}
	return refusal
}

// answerHeaders puts into h what the answer to a polling request that passed
// the checks has besides its body's headers. first is the session that the
// request began, nil for a later one.
func (s *Server) answerHeaders(h http.Header, r *http.Request, first *Session) {
	if agent := r.UserAgent(); strings.Contains(agent, ";MSIE") || strings.Contains(agent, "Trident/") {
		h.Set("X-XSS-Protection", "0") // PROTOCOL 1.4
	}
	if c := s.cfg.HTTP.Cookie; first != nil && c != nil {
		cookie := *c //nolint:gosec // its attributes are the configuration's
		cookie.Value = first.id.String()
		h.Add("Set-Cookie", cookie.String())
	}
	s.hookHeaders(h, r, first != nil)
}

// hookHeaders calls the header hooks.
func (s *Server) hookHeaders(h http.Header, r *http.Request, initial bool) {
	if hook := s.cfg.HTTP.InitialHeaders; hook != nil && initial {
		hook(h, r)
	}
	if hook := s.cfg.HTTP.Headers; hook != nil {
		hook(h, r)
	}
}

// addHeaders puts h into a finished 101 answer. Its own headers stay as they
// are, whatever h says about them.
func addHeaders(answer []byte, h http.Header) []byte {
	extra := make(http.Header, len(h))
	for name, values := range h {
		if key := http.CanonicalHeaderKey(name); !slices.Contains(notIn101, key) && !strings.HasPrefix(key, "Sec-Websocket-") {
			extra[name] = values
		}
	}
	if len(extra) == 0 {
		return answer
	}
	out := memories.Get().(*memory)
	defer memories.Put(out)
	out.answer.Reset()
	out.answer.Write(answer[:len(answer)-len(crlf)])
	_ = extra.Write(&out.answer) // leaves out bad names and makes line ends spaces
	out.answer.Write(crlf)
	return append(make([]byte, 0, out.answer.Len()+openRoom), out.answer.Bytes()...)
}

// notIn101 belong to the connection, or to a body that a 101 does not have.
var notIn101 = []string{
	"Connection", "Upgrade", "Keep-Alive", "Transfer-Encoding", "Trailer", "Te",
	"Content-Length", "Content-Type", "Content-Encoding",
}

// DefaultCookie returns the cookie of the reference's `cookie: true`: io, for
// every path, hidden from scripts, SameSite=Lax.
func DefaultCookie() *http.Cookie {
	return &http.Cookie{ //nolint:gosec // not Secure, as the reference's: it would not work over plain HTTP
		Name: "io", Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// validateCookie refuses what would not stay inside its attribute
// (GHSA-pxg6-pf52-xh8x).
func validateCookie(c *http.Cookie) error {
	if c == nil {
		return nil
	}
	probe := *c //nolint:gosec // never sent
	probe.Value = "x"
	if err := probe.Valid(); err != nil {
		return fmt.Errorf("transport: cookie: %w", err)
	}
	if c.SameSite < 0 || c.SameSite > http.SameSiteNoneMode {
		return fmt.Errorf("transport: cookie: SameSite %d is none of net/http's", c.SameSite)
	}
	return nil
}
