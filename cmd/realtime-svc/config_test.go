package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// prefixes lets cmp look at address prefixes.
var prefixes = cmpopts.EquateComparable(netip.Prefix{})

// read parses a command line and an environment.
func read(t *testing.T, args []string, environ ...string) (Config, string, error) {
	t.Helper()
	var out bytes.Buffer
	cfg, _, err := sources{args, environ, &out}.read()
	return cfg, out.String(), err
}

// file writes a configuration file and returns its path.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	cfg, _, err := read(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(defaultConfig(), cfg, prefixes); diff != "" {
		t.Errorf("the defaults of the struct and of the command line differ:\n%s", diff)
	}
	if cfg.Listen != ":8080" || cfg.GRPCListen != "127.0.0.1:9090" || cfg.AdminListen != "127.0.0.1:9091" ||
		cfg.PingInterval != 25*time.Second || cfg.MaxPayload != 1_000_000 || !cfg.AllowUpgrades {
		t.Errorf("defaults: %+v", cfg)
	}
}

// C2: a flag wins over the environment, the environment over the file, the file over the default.
func TestC2Precedence(t *testing.T) {
	path := file(t, "ping-interval: 1s\nping-timeout: 2s\nmax-payload: 2MiB\nnamespaces: [/, /a]\nallow-upgrades: false\n")
	env := []string{"REALTIME_PING_INTERVAL=3s", "REALTIME_MAX_PAYLOAD=3MiB", "HOME=/x"}
	cfg, _, err := read(t, []string{"--config", path, "--ping-interval", "4s"}, env...)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.PingInterval != 4*time.Second || cfg.MaxPayload != 3<<20 || cfg.PingTimeout != 2*time.Second ||
		cfg.UpgradeTimeout != 10*time.Second || cfg.AllowUpgrades || strings.Join(cfg.Namespaces, " ") != "/ /a" {
		t.Errorf("%+v", cfg)
	}
	cfg, _, err = read(t, []string{"--allow-upgrades"}, "REALTIME_CONFIG="+path)
	if err != nil || !cfg.AllowUpgrades || cfg.PingInterval != time.Second {
		t.Errorf("file by environment: %v, %+v", err, cfg)
	}
}

// A comma separates patterns, unless a backslash is before it; in a file's list it is a comma.
func TestPatternsWithCommas(t *testing.T) {
	want := []string{`/room-\d{1,3}`, "/b"}
	for name, args := range map[string][]string{
		"flag": {`--namespace-patterns=/room-\d{1\,3},/b`},
		"file": {"--config=" + file(t, `namespace-patterns: ['/room-\d{1,3}', /b]`)},
	} {
		cfg, _, err := read(t, args)
		if diff := cmp.Diff(want, cfg.NamespacePatterns); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

// A pattern is enough: no namespace need be configured by name.
func TestPatternWithoutNamespaces(t *testing.T) {
	if _, _, err := read(t, []string{"--namespace-patterns=/a"}, "REALTIME_NAMESPACES="); err != nil {
		t.Error(err)
	}
}

// C1: every setting can be set in each of the three ways.
func TestC1EverySettingEverywhere(t *testing.T) {
	dir := t.TempDir()
	values := map[string]string{
		"listen": "127.0.0.1:1", "grpc-listen": "127.0.0.1:2", "admin-listen": "127.0.0.1:3", "path": "/x/", "namespaces": "/a,/b",
		"namespace-patterns": "/room-[0-9]+,/u/[a-z]{1\\,9}", "max-dynamic-namespaces": "12",
		"serve-client": "false", "web-root": dir, "transports": "websocket", "allow-upgrades": "false", "ping-interval": "7s",
		"ping-timeout": "8s", "upgrade-timeout": "9s", "connect-timeout": "11s", "keep-headers": "cookie", "max-payload": "5KiB",
		"max-outbox": "6MiB", "max-pending-acks": "7", "admission-policy": "deny", "admission-timeout": "6s", "watch-buffer": "9MiB",
		"engine": "portable", "head-timeout": "3s", "max-pending-heads": "5", "grace-period": "12s", "http-listen": "127.0.0.1:5", "admin-ui": "readonly", "admin-ui-mode": "production", "admin-ui-namespace": "/ui", "admin-ui-username": "me", "admin-ui-password-hash": "$2a$04$wpVcYqzUO5hXqwgTHHPfYOhHXGsRg3pLcN8LuMnIzf5AXGzN1MGiC", "admin-ui-open": "true", "drain-delay": "2s", "drain-rate": "20", "drain-jitter": "21", "share-ports": "true", "tls-cert": "/e", "tls-key": "/f", "node-id": "n1",
		"log-level": "debug", "log-format": "json", "allow-eio3": "true", "keep-auth": "true", "recovery-max-age": "2m", "recovery-bytes": "7MiB",
		"webtransport-listen": "127.0.0.1:4", "webtransport-cert": "/c", "webtransport-key": "/k", "proxy-protocol": "10.0.0.0/8,::1/128",
		"trusted-proxies": "192.168.0.0/16", "add-trailing-slash": "false", "cors-origins": "https://a,https://b", "cors-credentials": "true",
		"cors-methods": "GET", "cors-allowed-headers": "a,b", "cors-exposed-headers": "c", "cors-max-age": "1h", "allowed-origins": "https://*.a.b",
		"cookie": "io; Path=/x", "http-compression-threshold": "0", "per-message-deflate": "true", "deflate-threshold": "2KiB",
		"max-sessions-per-address": "14", "max-connections-per-address": "15", "handshakes-per-second": "16", "max-namespaces": "8", "max-events-per-second": "9", "max-bytes-per-second": "10KiB",
		"grpc-tls-cert": "/c", "grpc-tls-key": "/k", "grpc-tls-client-ca": "/a", "grpc-tokens": "/t", "grpc-insecure": "true", "grpc-rate": "17", "grpc-burst": "18",
		"grpc-max-streams-per-caller": "19",
		"handshake-policy":            "deny", "admission-max-pending": "20", "admission-max-pending-bytes": "2MiB", "admission-headers": "cookie",
		"allowed-events":     "/=chat,*=a\\,b*",
		"idempotency-window": "28s", "idempotency-keys": "29",
		"jwt-keys": "/k", "jwt-jwks-url": "https://a/b", "jwt-hmac-secret-file": "/s", "jwt-jwks-refresh": "30s", "jwt-algorithms": "RS256,ES256",
		"jwt-issuer": "i", "jwt-audience": "a,b", "jwt-leeway": "31s", "jwt-no-expiry": "true", "jwt-max-bytes": "3KiB",
		"jwt-sources": "authorization,cookie:c", "jwt-optional": "true", "jwt-then-ask": "true", "jwt-user-claim": "u", "jwt-rooms-claim": "r",
		"jwt-namespaces-claim": "n", "jwt-data-claim": "d", "jwt-expiry": "ask", "jwt-refresh-event": "e", "jwt-refresh-before": "32s",
		"admin-profiles": "true",
		"web-upstream":   "http://127.0.0.1:3000",
		"max-groups":     "21", "max-group-members": "22", "group-retention": "23s", "group-buffer": "24MiB", "group-socket-buffer": "25KiB",
		"group-max-age": "26s", "group-overflow": "refuse", "group-max-failures": "27", "group-dead-letter": "disconnect",
		"trace-endpoint": "localhost:4317", "trace-sample": "0.5", "trace-insecure": "true",
	}
	with := map[string]string{"jwt-algorithms": "--jwt-keys=/k", "jwt-optional": "--jwt-keys=/k", "jwt-then-ask": "--jwt-keys=/k", "grpc-tls-cert": "--grpc-tls-key=/k", "grpc-tls-key": "--grpc-tls-cert=/c", "grpc-tls-client-ca": "--grpc-tls-cert=/c,--grpc-tls-key=/k",
		"admin-ui": "--admin-ui-open", "admin-ui-open": "--admin-ui=full", "tls-cert": "--tls-key=/f", "tls-key": "--tls-cert=/e"}
	for _, s := range settings(&Config{}) {
		text, ok := values[s.name]
		if !ok {
			t.Errorf("no test value for --%s", s.name)
			continue
		}
		others := strings.FieldsFunc(with[s.name], func(r rune) bool { return r == ',' })
		before, _, _ := read(t, others)
		want, _, err := read(t, append([]string{"--" + s.name + "=" + text}, others...))
		if err != nil {
			t.Errorf("--%s=%s: %v", s.name, text, err)
			continue
		}
		if cmp.Equal(want, before, prefixes) {
			t.Errorf("--%s=%s changes nothing", s.name, text)
		}
		for way, got := range map[string]func() (Config, string, error){
			"environment": func() (Config, string, error) { return read(t, others, envName(s.name)+"="+text) },
			"file": func() (Config, string, error) {
				return read(t, append([]string{"--config=" + file(t, s.name+": "+text)}, others...))
			},
		} {
			cfg, _, err := got()
			if err != nil {
				t.Errorf("%s as %s: %v", s.name, way, err)
			} else if diff := cmp.Diff(want, cfg, prefixes); diff != "" {
				t.Errorf("%s as %s:\n%s", s.name, way, diff)
			}
		}
	}
}

func TestMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		args    []string
		environ []string
		want    string // the whole error, FILE standing for the file's path
		file    string
	}{
		"flag":             {args: []string{"--pings", "1s"}, want: "unknown flag --pings"},
		"argument":         {args: []string{"now"}, want: "unexpected argument now"},
		"variable":         {environ: []string{"REALTIME_PINGS=1", "REALTIME_A=2"}, want: "REALTIME_A: no such setting\nREALTIME_PINGS: no such setting"},
		"not a duration":   {environ: []string{"REALTIME_PING_INTERVAL=soon"}, want: `REALTIME_PING_INTERVAL: --ping-interval: expected duration but got "soon": time: invalid duration "soon"`},
		"not a size":       {file: "max-outbox: 4 apples", want: `FILE:1: --max-outbox: expected a number of bytes such as 65536, 64KiB or 4MB but got "4 apples"`},
		"not a bool":       {environ: []string{"REALTIME_SERVE_CLIENT=perhaps"}, want: `REALTIME_SERVE_CLIENT: --serve-client: bool value must be true, 1, yes, false, 0 or no but got "perhaps"`},
		"words and bounds": {args: []string{"--engine=x", "--max-payload=1", "--ping-timeout=25h"}, want: "--ping-timeout: 25h0m0s is outside 100ms to 24h\n--max-payload: 1B is outside 1KiB to 256MiB\n" + `--engine: "x" is not one of auto, loops, portable`},
		"everywhere": {
			args: []string{"--engine=x"}, environ: []string{"REALTIME_HEAD_TIMEOUT=x", "REALTIME_X=1"}, file: "pings: 1\nmax-pending-acks: many\n",
			want: "REALTIME_X: no such setting\n--config: FILE:1: no such setting: pings\n" +
				`FILE:2: --max-pending-acks: expected a valid 64 bit int but got "many"` + "\n" +
				`REALTIME_HEAD_TIMEOUT: --head-timeout: expected duration but got "x": time: invalid duration "x"` + "\n" +
				`--engine: "x" is not one of auto, loops, portable`,
		},
		"address":          {args: []string{"--listen=8080"}, want: `--listen: "8080" does not have the form host:port`},
		"port":             {args: []string{"--grpc-listen=:http"}, want: `--grpc-listen: port "http" is not a number from 0 to 65535`},
		"path":             {args: []string{"--path=socket.io"}, want: `--path: "socket.io" does not have the form /name/ with letters, digits, '.', '_', '~' or '-'`},
		"root as path":     {args: []string{"--path=/"}, want: `--path: "/" does not have the form /name/ with letters, digits, '.', '_', '~' or '-'`},
		"transport":        {args: []string{"--transports=polling,flash"}, want: `--transports: "flash" is not one of polling, websocket, webtransport`},
		"no transport":     {args: []string{"--transports="}, want: "--transports: name at least one of polling, websocket, webtransport"},
		"no namespace":     {environ: []string{"REALTIME_NAMESPACES="}, want: "--namespaces: name at least one"},
		"namespace twice":  {args: []string{"--namespaces=/,/"}, want: `--namespaces: rooms: bad namespace name: "/" is named twice`},
		"namespace, comma": {file: `namespaces: ["/a,b"]`, want: `--namespaces: rooms: bad namespace name: "/a,b" must begin with "/", hold no comma and be UTF-8`},
		"namespace, long":  {args: []string{"--namespaces=/" + strings.Repeat("x", 256)}, want: "--namespaces: rooms: bad namespace name: \"/xxxxxxxxxxxxxxxxxxx\"… is longer than 256 bytes"},
		"patterns": {
			args: []string{"--namespace-patterns=/(", "--namespaces=/,/", "--max-dynamic-namespaces=0"}, environ: []string{"REALTIME_NAMESPACE_PATTERNS=/a"},
			want: "--max-dynamic-namespaces: 0 is outside 1 to 1000000\n" +
				"--namespace-patterns: rooms: bad namespace pattern: \"/(\": error parsing regexp: missing closing ): `/(`\n" +
				`--namespaces: rooms: bad namespace name: "/" is named twice`,
		},
		"no certificate": {
			args: []string{"--transports=webtransport", "--webtransport-listen=1"},
			want: "--webtransport-cert: webtransport among --transports needs it\n--webtransport-key: webtransport among --transports needs it\n" +
				`--webtransport-listen: "1" does not have the form host:port`,
		},
		"gRPC for all": {
			args: []string{"--grpc-listen=:9090"},
			want: `--grpc-listen: ":9090" can be reached from other machines, and whoever reaches it controls every client: set --grpc-tokens or --grpc-tls-client-ca, listen on 127.0.0.1, or say --grpc-insecure if something else keeps strangers out`,
		},
		"gRPC by name": {
			args: []string{"--grpc-listen=example:9090", "--grpc-tls-key=/k", "--grpc-tls-client-ca="},
			want: `--grpc-listen: "example:9090" can be reached from other machines, and whoever reaches it controls every client: set --grpc-tokens or --grpc-tls-client-ca, listen on 127.0.0.1, or say --grpc-insecure if something else keeps strangers out` + "\n" +
				"--grpc-tls-key: needs --grpc-tls-cert",
		},
		"gRPC with half of TLS": {
			args: []string{"--grpc-tls-cert=/c"}, want: "--grpc-tls-cert: needs --grpc-tls-key",
		},
		"gRPC with another's half of TLS": {
			args: []string{"--grpc-tls-client-ca=/a"}, want: "--grpc-tls-client-ca: needs --grpc-tls-cert",
		},
		"proxies": {
			args: []string{"--trusted-proxies=10.0.0.0"},
			want: `--trusted-proxies: netip.ParsePrefix("10.0.0.0"): no '/'`,
		},
		"pages": {
			args: []string{"--cors-origins=*,https://a", "--allowed-origins=example.com", "--cookie=io; Path=/; Color=red"},
			want: `--allowed-origins: transport: allowed origin "example.com" is not of the form https://host, https://*.host, null or *` + "\n" +
				`--cookie: "Color=red" is no attribute of a cookie` + "\n" + `--cors-origins: "*" stands alone`,
		},
		"cookie's name":     {args: []string{"--cookie=a b"}, want: `--cookie: "a b" is not a cookie's name and attributes: http: invalid cookie name`},
		"cookie's path":     {args: []string{"--cookie=io; Path=/\x7f"}, want: `--cookie: "Path=/\x7f" is no attribute of a cookie`},
		"header, admission": {args: []string{"--admission-headers=a b,c"}, want: `--admission-headers: "a b" is not the name of a header`},
		"header":            {args: []string{"--keep-headers=User Agent"}, want: `--keep-headers: "User Agent" is not the name of a header`},
		"allowed events, form": {
			args: []string{"--allowed-events=chat,*=x,news=x"},
			want: `--allowed-events: "chat" does not have the form NAMESPACE=NAME with a namespace that begins with a slash, or *` + "\n" +
				`"news=x" does not have the form NAMESPACE=NAME with a namespace that begins with a slash, or *`,
		},
		"allowed events, namespace": {
			args: []string{"--allowed-events=/=x,/nwes=x,/room-1=x,/room-a=x", "--namespace-patterns=/room-[0-9]+"},
			want: `--allowed-events: "/nwes" is not among --namespaces, nor does one of --namespace-patterns match it` + "\n" +
				`--allowed-events: "/room-a" is not among --namespaces, nor does one of --namespace-patterns match it`,
		},
		"no web root":        {args: []string{"--web-root=/nowhere/at/all"}, want: "--web-root: stat /nowhere/at/all: no such file or directory"},
		"web root is a file": {args: []string{"--web-root=config.go"}, want: "--web-root: config.go is not a folder"},
		"node":               {args: []string{"--node-id=" + strings.Repeat("x", 65)}, want: `--node-id: "` + strings.Repeat("x", 65) + `" is longer than 64 characters or has others than letters, digits, '.', '_' and '-'`},
		"traces": {
			args: []string{"--trace-endpoint=https://collector:4317", "--trace-sample=NaN"},
			want: `--trace-endpoint: "https://collector:4317" does not have the form host:port` + "\n" + `--trace-sample: "NaN" is not a number from 0 to 1`,
		},
		"some traces":       {args: []string{"--trace-sample=1.5"}, want: `--trace-sample: "1.5" is not a number from 0 to 1`},
		"no file":           {args: []string{"--config=/nowhere"}, want: "--config: open /nowhere: no such file or directory"},
		"keys":              {file: "# hi\nlisten: :1\npings: 1\nengine: [auto, [b]]\n", want: "--config: FILE:3: no such setting: pings\n--config: FILE:4: engine: neither a plain value nor a list of them"},
		"nested":            {file: "listen:\n  a: 1\n", want: "--config: FILE:1: listen: neither a plain value nor a list of them"},
		"key without value": {file: "listen:\n", want: "--config: FILE:1: listen: neither a plain value nor a list of them"},
		"key in two parts":  {file: "engine: auto\n---\nengine: loops\n", want: "--config: FILE:3: engine is set twice"},
		"file is a list":    {file: "- a\n", want: "--config: FILE: not a mapping of settings"},
	} {
		t.Run(name, func(t *testing.T) {
			want := c.want
			if c.file != "" {
				path := file(t, c.file)
				c.args = append(c.args, "--config", path)
				want = strings.ReplaceAll(want, "FILE", path)
			}
			_, _, err := read(t, c.args, c.environ...)
			if err == nil {
				t.Fatal("accepted")
			}
			if diff := cmp.Diff(want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What the YAML parser says of a file that is no YAML is its own affair; that it is refused is ours.
func TestFileThatIsNoYAML(t *testing.T) {
	for _, text := range []string{"a: [", "engine: auto\nengine: loops\n", "\tlisten: x", "a: 'x"} {
		path := file(t, text)
		if _, _, err := read(t, []string{"--config", path}); err == nil || !strings.HasPrefix(err.Error(), "--config: "+path+": ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Kubernetes tells every container where the Services are, and one may be called as we are.
func TestServiceLinksAreNoSettings(t *testing.T) {
	cfg, _, err := read(t, nil,
		"REALTIME_SERVICE_HOST=10.0.0.1", "REALTIME_SERVICE_PORT=80", "REALTIME_SERVICE_PORT_GRPC=90", "REALTIME_PORT=tcp://10.0.0.1:80",
		"REALTIME_PORT_80_TCP=tcp://10.0.0.1:80", "REALTIME_PORT_80_TCP_PROTO=tcp", "REALTIME_PORT_80_TCP_PORT=80",
		"REALTIME_PORT_80_TCP_ADDR=10.0.0.1", "REALTIME_SVC_SERVICE_HOST=10.0.0.1")
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(defaultConfig(), cfg, prefixes); diff != "" {
		t.Error(diff)
	}
	for _, s := range settings(&Config{}) {
		if serviceLink.MatchString(envName(s.name)) {
			t.Errorf("%s cannot be told from a service link", envName(s.name))
		}
	}
}

// A list is what it says in each source, and may be empty.
func TestLists(t *testing.T) {
	for name, got := range map[string]struct {
		args    []string
		environ []string
	}{
		"flag":             {args: []string{"--keep-headers=a,b"}},
		"flag twice":       {args: []string{"--keep-headers=a", "--keep-headers=b"}},
		"environment":      {environ: []string{"REALTIME_KEEP_HEADERS=a,b"}},
		"file":             {args: []string{"--config", file(t, "keep-headers: [a, b]")}},
		"file, lines":      {args: []string{"--config", file(t, "keep-headers:\n  - a\n  - b\n")}},
		"file, with comma": {args: []string{"--config", file(t, "keep-headers: a,b")}},
	} {
		cfg, _, err := read(t, got.args, got.environ...)
		if err != nil || strings.Join(cfg.KeepHeaders, " ") != "a b" {
			t.Errorf("%s: %q, %v", name, cfg.KeepHeaders, err)
		}
	}
	for _, args := range [][]string{{"--keep-headers="}, {"--config", file(t, "keep-headers: []")}} {
		if cfg, _, err := read(t, args); err != nil || len(cfg.KeepHeaders) != 0 {
			t.Errorf("%q: %q, %v", args, cfg.KeepHeaders, err)
		}
	}
}

// Settings stand before or after the command, or without one.
func TestCommandAndSettings(t *testing.T) {
	for _, args := range [][]string{{"--engine=loops"}, {"serve", "--engine=loops"}, {"--engine=loops", "serve"}, {"--engine", "loops", "serve"}} {
		if cfg, _, err := read(t, args); err != nil || cfg.Engine != "loops" {
			t.Errorf("%q: %q, %v", args, cfg.Engine, err)
		}
	}
	for _, args := range [][]string{{"--no-serve-client"}, {"--serve-client=false"}, {"--no-serve-client", "serve"}} {
		if cfg, _, err := read(t, args, "REALTIME_SERVE_CLIENT=true"); err != nil || cfg.ServeClient {
			t.Errorf("%q: %v, %v", args, cfg.ServeClient, err)
		}
	}
}

// The file's path can come from the environment, and the command line wins.
func TestWhichFile(t *testing.T) {
	one, two := file(t, "node-id: one"), file(t, "node-id: two")
	for _, c := range []struct {
		args, environ []string
		want          string
	}{
		{nil, nil, ""},
		{[]string{"--config=" + one}, nil, "one"},
		{[]string{"--config", one}, []string{"REALTIME_CONFIG=/nowhere"}, "one"},
		{[]string{"serve", "--config", one}, []string{"REALTIME_CONFIG=" + two}, "one"},
		{nil, []string{"REALTIME_CONFIG=" + two}, "two"},
		{nil, []string{"REALTIME_CONFIG="}, ""},
	} {
		if cfg, _, err := read(t, c.args, c.environ...); err != nil || cfg.NodeID != c.want {
			t.Errorf("%q %q: %q, %v", c.args, c.environ, cfg.NodeID, err)
		}
	}
	if _, _, err := read(t, []string{"--config=" + file(t, "config: "+one)}); err == nil || !strings.Contains(err.Error(), "no such setting: config") {
		t.Errorf("a file that names a file: %v", err)
	}
}

// Whatever the file holds, it is a configuration that passes its checks or an error that names the file or a flag.
func FuzzFile(f *testing.F) {
	for _, text := range []string{"", "listen: :1\nnamespaces: [/, /a]\n", "- a", "a: &x 1\nb: *x", "engine: |\n  auto\n", "? engine\n: auto\n", "<<: {engine: auto}"} {
		f.Add(text)
	}
	path := filepath.Join(f.TempDir(), "config.yaml")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, _, err := read(t, []string{"--config", path})
		if err == nil {
			err = cfg.Validate()
		} else if strings.Contains(err.Error(), "--") {
			err = nil
		}
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}

// Every bound is accepted, and what lies beyond it is not.
func TestBounds(t *testing.T) {
	for _, s := range settings(new(Config)) {
		if s.min == "" {
			continue
		}
		low, high := parseNumber(s.value.Type(), s.min), parseNumber(s.value.Type(), s.max)
		for n, ok := range map[int64]bool{low - 1: false, low: true, high: true, high + 1: false} {
			cfg := defaultConfig()
			for _, other := range settings(&cfg) {
				if other.name == s.name {
					other.value.SetInt(n)
					if err := other.check(); (err == nil) != ok {
						t.Errorf("--%s=%v: %v", s.name, other.value.Interface(), err)
					}
				}
			}
		}
		if low >= high {
			t.Errorf("--%s: from %s to %s", s.name, s.min, s.max)
		}
	}
}

// What the configuration accepts, the parts accept: an end of a range is no trap at start.
func TestBoundsSuitTheParts(t *testing.T) {
	for _, edit := range []func(s setting) string{
		func(s setting) string { return s.min },
		func(s setting) string { return s.max },
	} {
		cfg := onPortsOfTheirOwn()
		for _, s := range settings(&cfg) {
			if text := edit(s); text != "" {
				s.value.SetInt(parseNumber(s.value.Type(), text))
			}
		}
		p, err := NewProcess(cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Error(err)
			continue
		}
		if err := p.edge.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestEmptyFile(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n"} {
		if _, _, err := read(t, []string{"--config=" + file(t, text)}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestByteSize(t *testing.T) {
	for text, want := range map[string]ByteSize{"0": 0, "1": 1, "1B": 1, "1000000": 1_000_000, "1mb": 1_000_000, "2kB": 2000, "64KiB": 65536, "4 MiB": 4 << 20, "2GiB": 2 << 30} {
		var s ByteSize
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s: %d, %v", text, s, err)
		}
		var back ByteSize
		if err := back.UnmarshalText([]byte(s.String())); err != nil || back != s {
			t.Errorf("%d is written %s, read %d, %v", s, s, back, err)
		}
	}
	for _, text := range []string{"", "-1", "1k", "1.5MiB", "9999999999GiB", "MiB"} {
		var s ByteSize
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d", text, s)
		}
	}
}

// --help shows every setting with its default, under its chapter, wherever it is asked for.
func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"-h"}, {"help"}, {"serve", "--help"}, {"--listen=x", "--help"}} {
		_, out, err := read(t, args, "REALTIME_NONSENSE=1")
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range groups {
			if !strings.Contains(out, g.title+":") {
				t.Errorf("%q: no chapter %s", args, g.title)
			}
		}
		for _, s := range settings(&Config{}) {
			if !strings.Contains(out, "--"+s.name) && !strings.Contains(out, "--[no-]"+s.name) {
				t.Errorf("%q: no --%s", args, s.name)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"--version"}, {"version"}} {
		_, out, err := read(t, args)
		if err != nil || !strings.HasPrefix(out, "realtime-svc "+version+" go") || strings.Count(out, "\n") != 1 {
			t.Errorf("%q: %q, %v", args, out, err)
		}
	}
}

// C1: no setting is without what makes it a setting.
func TestC1EverySettingIsDescribed(t *testing.T) {
	chapters := make(map[string]bool)
	for _, g := range groups {
		chapters[g.key] = true
	}
	for _, s := range settings(&Config{}) {
		if !chapters[s.group] || !strings.HasSuffix(s.help, ".") || (s.min == "") != (s.max == "") {
			t.Errorf("--%s: group %q, help %q, from %q to %q", s.name, s.group, s.help, s.min, s.max)
		}
		if kind := s.value.Kind(); (kind == reflect.Int || kind == reflect.Int64) && s.min == "" {
			t.Errorf("--%s has no bounds", s.name)
		}
	}
}

func ExampleByteSize() {
	var s ByteSize
	_ = s.UnmarshalText([]byte("64KiB"))
	fmt.Println(int64(s), s)
	// Output: 65536 64KiB
}

// defaultConfig is what an empty command line, environment and file give.
func defaultConfig() Config {
	var c Config
	if err := kong.ApplyDefaults(&c); err != nil {
		panic(err) // a tag of Config is wrong: every test shows it
	}
	return c
}
