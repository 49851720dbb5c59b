package jwt

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// place finds a token in one place; empty: there is none.
type place func(q *rooms.Question) string

// nameShape is that of a cookie's name (RFC 9110 section 5.6.2, token); a parameter of a query may be called so, too.
var nameShape = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// parsePlaces reads Config.Sources.
func parsePlaces(sources []string) ([]place, error) {
	places := make([]place, 0, len(sources))
	for _, source := range sources {
		kind, name, named := strings.Cut(source, ":")
		if named && !nameShape.MatchString(name) {
			return nil, fmt.Errorf("%.60q is not a name", name)
		}
		switch {
		case source == "auth.token":
			places = append(places, inAuth)
		case source == "authorization":
			places = append(places, inAuthorization)
		case named && kind == "cookie":
			places = append(places, func(q *rooms.Question) string { return inCookie(q, name) })
		case named && kind == "query":
			places = append(places, func(q *rooms.Question) string { return inQuery(q, name) })
		default:
			return nil, fmt.Errorf("%.60q is not one of auth.token, authorization, cookie:NAME, query:NAME", source)
		}
	}
	return places, nil
}

// Headers names the request headers (lower case) that the sources need.
func (c *Config) Headers() (names []string) {
	cookie, authorization := false, false
	for _, source := range c.Sources {
		cookie = cookie || strings.HasPrefix(source, "cookie:")
		authorization = authorization || source == "authorization"
	}
	if cookie {
		names = append(names, "cookie")
	}
	if authorization {
		names = append(names, "authorization")
	}
	return names
}

const scheme = "Bearer "

// unschemed takes the scheme of RFC 6750 off a token; ok: it was there.
func unschemed(text string) (token string, ok bool) {
	if len(text) >= len(scheme) && strings.EqualFold(text[:len(scheme)], scheme) {
		return strings.TrimLeft(text[len(scheme):], " "), true
	}
	return text, false
}

func inAuth(q *rooms.Question) string {
	var auth struct {
		Token any `json:"token"`
	}
	if len(q.Auth) == 0 || json.Unmarshal(q.Auth, &auth) != nil {
		return ""
	}
	text, _ := auth.Token.(string)
	token, _ := unschemed(text)
	return token
}

func inAuthorization(q *rooms.Question) string {
	if token, ok := unschemed(header(q, "authorization")); ok {
		return token
	}
	return ""
}

func inCookie(q *rooms.Question, name string) string {
	// One at a time: the cookies of others may be broken.
	for pair := range strings.SplitSeq(header(q, "cookie"), ";") {
		cookies, err := http.ParseCookie(strings.TrimSpace(pair))
		if err == nil && cookies[0].Name == name {
			return cookies[0].Value
		}
	}
	return ""
}

func inQuery(q *rooms.Question, name string) string {
	values, _ := url.ParseQuery(q.Handshake.Query) // what is broken in it is left out
	return values.Get(name)
}

func header(q *rooms.Question, name string) string {
	for _, f := range q.Handshake.Headers {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}
