package transport

import (
	"errors"
	"fmt"
	"strings"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// originList is HTTPConfig.AllowedOrigins in a form that is quick to ask.
type originList struct {
	any   bool
	exact map[string]bool
	below []originsBelow
}

// originsBelow are the origins of all names below one, such as "https://" and
// ".app.example:8443".
type originsBelow struct{ scheme, domain string }

func newOriginList(allowed []string) (*originList, error) {
	if len(allowed) == 0 {
		return nil, nil //nolint:nilnil // no list is a list that lets everybody in
	}
	l := &originList{exact: make(map[string]bool, len(allowed))}
	var err error
	for _, origin := range allowed {
		err = errors.Join(err, l.add(strings.ToLower(origin)))
	}
	return l, err
}

func (l *originList) add(origin string) error {
	if origin == "*" || origin == "null" {
		l.any = l.any || origin == "*"
		l.exact[origin] = true
		return nil
	}
	scheme, host, ok := strings.Cut(origin, "://")
	wildcard := strings.HasPrefix(host, "*.")
	name := strings.TrimPrefix(host, "*.")
	if !ok || scheme == "" || !plainHost([]byte(name)) || strings.HasPrefix(name, ".") || strings.HasPrefix(name, ":") {
		return fmt.Errorf("transport: allowed origin %q is not of the form https://host, https://*.host, null or *", origin)
	}
	if wildcard {
		l.below = append(l.below, originsBelow{scheme + "://", "." + name})
	} else {
		l.exact[origin] = true
	}
	return nil
}

// allows reports whether a request may come from origin, which is not empty.
func (l *originList) allows(origin string) bool {
	origin = strings.ToLower(origin)
	if l.any || l.exact[origin] {
		return true
	}
	for _, b := range l.below {
		name, ok := strings.CutPrefix(origin, b.scheme)
		if !ok {
			continue
		}
		// What stands before the domain is names and dots only: neither
		// "https://evil.example/.app.example" nor an empty name is below it.
		if name, ok = strings.CutSuffix(name, b.domain); ok && plainName(name) {
			return true
		}
	}
	return false
}

// plainName reports whether name is one or more labels of a host name.
func plainName(name string) bool {
	for i := range len(name) {
		if !letterOrDigit(name[i]) && strings.IndexByte("-_.", name[i]) < 0 {
			return false
		}
	}
	return name != "" && !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, ".")
}

// checkOrigin makes the checks of a request's Origin, empty for none
// (PROTOCOL 1.2, and against CVE-2019-13611).
func (s *Server) checkOrigin(origin string) *engineio.Refusal {
	switch {
	case !headerText(origin):
		return errInvalidOrigin
	case s.origins == nil, origin == "" && !s.cfg.HTTP.RequireOrigin, origin != "" && s.origins.allows(origin):
		return nil
	default:
		return errOriginNotAllowed
	}
}

// fastWay reports whether a clean head may be answered without net/http:
// nobody wants to see the request, and its origin is welcome.
func (s *Server) fastWay(h *head) bool {
	if s.cfg.HTTP.hooked() {
		return false
	}
	if s.origins == nil {
		return true
	}
	origin := ""
	for _, line := range h.lines {
		if fold(line.name, "origin") {
			origin = string(line.value)
		}
	}
	return s.checkOrigin(origin) == nil
}
