package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service"
)

// Validate reports everything that is wrong with c at once, one line each, naming the flag. It returns nil for a Config
// that a [Process] can be made of.
func (c *Config) Validate() error {
	var problems []error
	for _, s := range settings(c) {
		if err := s.check(); err != nil {
			problems = append(problems, fmt.Errorf("--%s: %w", s.name, err))
		}
	}
	return errors.Join(append(problems, c.checkShapes()...)...)
}

// check compares the setting's value with the bounds and the words that its tags name.
func (s setting) check() error {
	if s.min != "" {
		low, high := parseNumber(s.value.Type(), s.min), parseNumber(s.value.Type(), s.max)
		if n := s.value.Int(); n < low || n > high {
			return fmt.Errorf("%v is outside %s to %s", s.value.Interface(), s.min, s.max)
		}
	}
	if s.oneof == nil {
		return nil
	}
	if s.value.Kind() == reflect.String {
		return checkWords(s.oneof, s.value.String())
	}
	if s.value.Len() == 0 {
		return fmt.Errorf("name at least one of %s", strings.Join(s.oneof, ", "))
	}
	return checkWords(s.oneof, s.value.Interface().([]string)...)
}

// checkWords reports the first of words that is not among allowed.
func checkWords(allowed []string, words ...string) error {
	for _, w := range words {
		if !slices.Contains(allowed, w) {
			return fmt.Errorf("%q is not one of %s", w, strings.Join(allowed, ", "))
		}
	}
	return nil
}

// parseNumber reads a bound as values of type t are written. Bounds are constants of this package: a wrong one panics.
func parseNumber(t reflect.Type, text string) int64 {
	var n int64
	var err error
	switch t {
	case reflect.TypeFor[time.Duration]():
		var d time.Duration
		d, err = time.ParseDuration(text)
		n = int64(d)
	case reflect.TypeFor[ByteSize]():
		var b ByteSize
		err = b.UnmarshalText([]byte(text))
		n = int64(b)
	default:
		n, err = strconv.ParseInt(text, 10, 64)
	}
	if err != nil {
		panic(fmt.Sprintf("bound %q of a setting: %v", text, err))
	}
	return n
}

// What a path, a header's name and a node's name may consist of.
var (
	pathShape   = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+/$`)
	headerShape = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$") // RFC 9110 section 5.6.2, token
	nodeShape   = regexp.MustCompile(`^[A-Za-z0-9._-]{0,64}$`)
)

// checkShapes covers what bounds and words cannot say.
func (c *Config) checkShapes() []error {
	var problems []error
	wrong := func(name, format string, args ...any) {
		problems = append(problems, fmt.Errorf("--"+name+": "+format, args...))
	}
	for name, address := range map[string]string{"listen": c.Listen, "grpc-listen": c.GRPCListen, "admin-listen": c.AdminListen} {
		if err := checkAddress(address); err != nil {
			wrong(name, "%w", err)
		}
	}
	if !pathShape.MatchString(c.Path) {
		wrong("path", "%q does not have the form /name/ with letters, digits, '.', '_', '~' or '-'", c.Path)
	}
	if len(c.Namespaces)+len(c.NamespacePatterns) == 0 {
		wrong("namespaces", "name at least one")
	}
	hub, err := rooms.NewHub(rooms.HubConfig{Namespaces: c.Namespaces, Patterns: c.NamespacePatterns})
	if err != nil {
		problems = append(problems, hubProblems(err)...)
	}
	c.checkAllowedEvents(hub, wrong)
	for name, headers := range map[string][]string{"keep-headers": c.KeepHeaders, "admission-headers": c.AdmissionHeaders} {
		for _, h := range headers {
			if !headerShape.MatchString(h) {
				wrong(name, "%q is not the name of a header", h)
			}
		}
	}
	c.checkPages(wrong)
	c.checkWebTransport(wrong)
	c.checkTLS(wrong)
	c.checkHTTP(wrong)
	c.checkAdminUI(wrong)
	c.checkEnd(wrong)
	c.checkGRPC(wrong)
	c.checkJWT(wrong)
	c.checkWeb(wrong)
	c.checkTracing(wrong)
	if !nodeShape.MatchString(c.NodeID) {
		wrong("node-id", "%q is longer than 64 characters or has others than letters, digits, '.', '_' and '-'", c.NodeID)
	}
	if c.WebRoot != "" {
		if info, err := os.Stat(c.WebRoot); err != nil {
			wrong("web-root", "%w", err)
		} else if !info.IsDir() {
			wrong("web-root", "%s is not a folder", c.WebRoot)
		}
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return problems
}

// checkAllowedEvents covers the events that clients may send. A namespace that cannot exist is a mistyped one, whose clients
// could send everything. hub is nil if the namespaces are wrong.
func (c *Config) checkAllowedEvents(hub *rooms.Hub, wrong func(name, format string, args ...any)) {
	allowed, err := service.NewAllowedEvents(c.AllowedEvents, nil, nil)
	if err != nil {
		wrong("allowed-events", "%w", err)
		return
	}
	if hub == nil {
		return
	}
	for _, name := range allowed.Namespaces() {
		if _, ok := hub.Namespace(name); !ok {
			wrong("allowed-events", "%q is not among --namespaces, nor does one of --namespace-patterns match it", name)
		}
	}
}

// hubProblems puts the flag's name before each problem in an error of rooms.NewHub.
func hubProblems(err error) (problems []error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	for _, problem := range joined.Unwrap() {
		flag := "namespaces"
		switch {
		case errors.Is(problem, rooms.ErrNamespacePattern):
			flag = "namespace-patterns"
		case errors.Is(problem, rooms.ErrMaxDynamic):
			flag = "max-dynamic-namespaces"
		}
		problems = append(problems, fmt.Errorf("--%s: %w", flag, problem))
	}
	return problems
}

// checkAddress accepts host:port with a number as port; 0 lets the system choose one.
func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q does not have the form host:port", address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("port %q is not a number from 0 to 65535", port)
	}
	return nil
}
