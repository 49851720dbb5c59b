package main

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/realtime-svc/realtime-svc/"

// mayImport says which of our packages each may import directly. Imports run one way: from the process to the two
// faces, and from both to rooms, where they meet without knowing each other. A package that is missing here is refused,
// so that a new one gets its place in the order.
var mayImport = map[string][]string{
	"rooms":                      {},
	"wsedge/engineio":            {},
	"wsedge/socketio":            {},
	"wsedge/netpoll":             {},
	"wsedge/transport":           {"wsedge/engineio", "wsedge/netpoll"},
	"wsedge":                     {"rooms", "wsedge/engineio", "wsedge/socketio", "wsedge/transport", "wsedge/netpoll"},
	"gen/go/realtime/v1":         {},
	"gen/go/gateway/realtime/v1": {"gen/go/realtime/v1"},
	"service/feed":               {"rooms"},
	"service/access":             {"gen/go/realtime/v1"},
	"service/jwt":                {"rooms"},
	"service/tracing":            {"rooms"},
	"service":                    {"gen/go/realtime/v1", "rooms", "service/access", "service/feed"},
	"service/consumer":           {"gen/go/realtime/v1"},
	"service/adminui":            {"rooms", "service/feed"},
	"service/gateway":            {"gen/go/realtime/v1", "gen/go/gateway/realtime/v1"},
	"cmd/realtime-svc":           {"gen/go/realtime/v1", "rooms", "cmd/realtime-svc/cli", "service", "service/gateway", "service/access", "service/adminui", "service/feed", "service/jwt", "service/tracing", "wsedge"},
	"bench":                      {"gen/go/realtime/v1"},
	"cmd/realtime-svc/cli":       {"gen/go/realtime/v1"},
	"examples/chat":              {"gen/go/realtime/v1", "service/consumer"},
	"examples/clients/go":        {"gen/go/realtime/v1", "service/consumer"},
}

// onlyIn says where a module of others may be imported, by prefixes of the import path and of our package's. One that
// is missing here is refused, so that a new dependency gets its place.
var onlyIn = map[string][]string{
	"github.com/gobwas/":         {"wsedge"},
	"github.com/klauspost/":      {"wsedge"},
	"github.com/andybalholm/":    {"wsedge"},
	"github.com/quic-go/":        {"wsedge/transport"},
	"google.golang.org/":         {"service", "cmd/", "gen/", "examples/", "bench"},
	"github.com/grpc-ecosystem/": {"gen/go/gateway", "service", "cmd/"},
	"github.com/prometheus/":     {"service", "cmd/"},
	"go.opentelemetry.io/":       {"service/tracing", "cmd/"},
	"github.com/alecthomas/":     {"cmd/"},
	"github.com/goccy/":          {"cmd/", "service/access"},
	"github.com/golang-jwt/":     {"service/jwt", "cmd/realtime-svc/cli"},
	"github.com/MicahParks/":     {"service/jwt"},
	"golang.org/x/time/":         {"service/access", "service/adminui"},
	"github.com/coreos/":         {"cmd/"},
	"golang.org/x/crypto/":       {"service/adminui"},
	"golang.org/x/sys/":          {"cmd/", "wsedge/netpoll", "bench"},
}

// standardOnly are the packages that import nothing but the standard library: they can be read, tested and reused alone.
var standardOnly = []string{"rooms", "wsedge/engineio", "wsedge/socketio", "service/feed"}

func TestImportsRunOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "../../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	seen := 0
	for {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&pkg); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen++
		checkImports(t, strings.TrimPrefix(pkg.ImportPath, module), pkg.Imports)
	}
	if seen < len(mayImport) {
		t.Errorf("%d packages, the rules have %d", seen, len(mayImport))
	}
}

func checkImports(t *testing.T, name string, imports []string) {
	t.Helper()
	allowed, known := mayImport[name]
	if !known {
		t.Errorf("%s has no place in the order of imports", name)
		return
	}
	for _, path := range imports {
		if ours, ok := strings.CutPrefix(path, module); ok {
			if !slices.Contains(allowed, ours) {
				t.Errorf("%s must not import %s", name, ours)
			}
			continue
		}
		if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
			continue // the standard library
		}
		if slices.Contains(standardOnly, name) {
			t.Errorf("%s must import the standard library only, not %s", name, path)
		}
		if !foreignAllowed(name, path) {
			t.Errorf("%s must not import %s", name, path)
		}
	}
}

func foreignAllowed(name, path string) bool {
	for prefix, places := range onlyIn {
		if strings.HasPrefix(path, prefix) {
			return slices.ContainsFunc(places, func(p string) bool { return strings.HasPrefix(name, p) })
		}
	}
	return false
}
