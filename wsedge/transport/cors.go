package transport

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CORS says which headers let pages of other origins use the server, as the
// reference's `cors` option does, header by header (PROTOCOL 1.9). The zero
// value lets every origin in. It is read-only once a Server uses it.
//
// The origins are told in one of these ways: Origin, AnyOrigin, Origins with
// OriginPatterns, or OriginFunc.
type CORS struct {
	// Origin is the one origin, told to everybody as it is, or "*". Empty means
	// "*" when none of the following says otherwise.
	Origin string
	// AnyOrigin repeats the request's Origin, which is what Credentials need.
	AnyOrigin bool
	// Origins are repeated to requests that come from them. Others are told
	// nothing.
	Origins []string
	// OriginPatterns are repeated in the same way to what they match; a pattern
	// without ^ and $ matches any part.
	OriginPatterns []*regexp.Regexp
	// OriginFunc decides for each request; origin is empty without an Origin
	// header. False means no CORS headers at all, and no answer to a preflight.
	OriginFunc func(origin string) bool

	// Credentials allows cookies and HTTP authentication.
	Credentials bool
	// Methods are those that a preflight allows. Empty means GET, HEAD, PUT,
	// PATCH, POST and DELETE.
	Methods []string
	// AllowedHeaders are those that a preflight allows. Empty means those that
	// it asks for.
	AllowedHeaders []string
	// ExposedHeaders are those that scripts may read.
	ExposedHeaders []string
	// MaxAge is how long a browser may remember a preflight, in whole seconds. 0
	// leaves it to the browser; below 0 it must not.
	MaxAge time.Duration
}

const corsMethods = "GET,HEAD,PUT,PATCH,POST,DELETE"

func (c *CORS) validate() error {
	var err error
	ways := 0
	for _, set := range []bool{c.Origin != "", c.AnyOrigin, len(c.Origins)+len(c.OriginPatterns) > 0, c.OriginFunc != nil} {
		if set {
			ways++
		}
	}
	if ways > 1 {
		err = errors.New("transport: CORS: the origins are told in more than one way")
	}
	if slices.Contains(c.OriginPatterns, nil) {
		err = errors.Join(err, errors.New("transport: CORS: a nil pattern"))
	}
	for _, text := range slices.Concat([]string{c.Origin}, c.Origins, c.Methods, c.AllowedHeaders, c.ExposedHeaders) {
		if !headerText(text) {
			err = errors.Join(err, fmt.Errorf("transport: CORS: %q cannot stand in a header", text))
		}
	}
	return err
}

// serve puts the headers into the answer to r, and answers a preflight, which
// it reports. Upgrade requests are left alone, as nothing of this binds them: the
// 101 alone gets the headers (welcome).
func (c *CORS) serve(w http.ResponseWriter, r *http.Request) (preflight bool) {
	if c == nil || isUpgrade(r) {
		return false
	}
	origin := originOf(r)
	h := w.Header()
	if !c.headers(h, origin) || r.Method != http.MethodOptions {
		return false
	}
	c.preflight(h, r)
	// Some browsers wait for a body without it. net/http would take it out of a
	// 204 under its canonical name.
	h["content-length"] = []string{"0"}
	w.WriteHeader(http.StatusNoContent)
	return true
}

// headers puts in what every answer to that origin has; false: there is nothing for it.
func (c *CORS) headers(h http.Header, origin string) bool {
	if c.OriginFunc != nil && !c.OriginFunc(origin) {
		return false
	}
	c.origin(h, origin)
	if c.Credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if len(c.ExposedHeaders) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(c.ExposedHeaders, ","))
	}
	return true
}

// welcome returns the 101 with the headers in it, which browsers ignore but the
// reference sends (PROTOCOL 1.9).
func (c *CORS) welcome(answer []byte, origin string) []byte {
	if c == nil {
		return answer
	}
	h := make(http.Header)
	c.headers(h, origin)
	return addHeaders(answer, h)
}

func (c *CORS) origin(h http.Header, origin string) {
	switch {
	case c.Origin != "" && c.Origin != "*":
		h.Set("Access-Control-Allow-Origin", c.Origin)
	case c.AnyOrigin || c.OriginFunc != nil || len(c.Origins)+len(c.OriginPatterns) > 0:
		if origin != "" && headerText(origin) && c.allows(origin) {
			h.Set("Access-Control-Allow-Origin", origin)
		}
	default:
		h.Set("Access-Control-Allow-Origin", "*")
		return
	}
	addVary(h, "Origin")
}

func (c *CORS) allows(origin string) bool {
	return c.AnyOrigin || c.OriginFunc != nil || slices.Contains(c.Origins, origin) ||
		slices.ContainsFunc(c.OriginPatterns, func(p *regexp.Regexp) bool { return p.MatchString(origin) })
}

func (c *CORS) preflight(h http.Header, r *http.Request) {
	methods := corsMethods
	if len(c.Methods) > 0 {
		methods = strings.Join(c.Methods, ",")
	}
	h.Set("Access-Control-Allow-Methods", methods)
	allowed := strings.Join(c.AllowedHeaders, ",")
	if allowed == "" {
		allowed = strings.Join(r.Header["Access-Control-Request-Headers"], ", ")
		addVary(h, "Access-Control-Request-Headers")
	}
	if allowed != "" {
		h.Set("Access-Control-Allow-Headers", allowed)
	}
	if c.MaxAge != 0 {
		h.Set("Access-Control-Max-Age", strconv.FormatInt(int64(max(c.MaxAge, 0)/time.Second), 10))
	}
}

// originOf is a request's Origin, several joined as one that nobody is.
func originOf(r *http.Request) string { return strings.Join(r.Header["Origin"], ", ") }

// addVary adds a field to the one Vary header.
func addVary(h http.Header, field string) {
	if vary := h.Get("Vary"); vary != "" {
		field = vary + ", " + field
	}
	h.Set("Vary", field)
}

// headerText reports whether s has only characters that a header value may
// have: no controls but the tab (PROTOCOL 1.2).
func headerText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}
