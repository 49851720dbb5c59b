package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

// read parses a command line and an environment.
func read(t *testing.T, args []string, environ ...string) (Config, string, error) {
	t.Helper()
	var out bytes.Buffer
	_, cfg, _, err := sources{args, environ, &out}.read()
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
	if diff := cmp.Diff(DefaultConfig(), cfg); diff != "" {
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

// C1: every setting can be set in each of the three ways.
func TestC1EverySettingEverywhere(t *testing.T) {
	dir := t.TempDir()
	values := map[string]string{
		"listen": "127.0.0.1:1", "grpc-listen": "127.0.0.1:2", "admin-listen": "127.0.0.1:3", "path": "/x/", "namespaces": "/a,/b",
		"serve-client": "false", "web-root": dir, "transports": "websocket", "allow-upgrades": "false", "ping-interval": "7s",
		"ping-timeout": "8s", "upgrade-timeout": "9s", "connect-timeout": "11s", "keep-headers": "cookie", "max-payload": "5KiB",
		"max-outbox": "6MiB", "max-pending-acks": "7", "admission-policy": "deny", "admission-timeout": "6s", "watch-buffer": "9MiB",
		"engine": "portable", "head-timeout": "3s", "max-pending-heads": "5", "grace-period": "12s", "node-id": "n1",
		"log-level": "debug", "log-format": "json",
	}
	for _, s := range settings(&Config{}) {
		text, ok := values[s.name]
		if !ok {
			t.Errorf("no test value for --%s", s.name)
			continue
		}
		want, _, err := read(t, []string{"--" + s.name + "=" + text})
		if err != nil {
			t.Errorf("--%s=%s: %v", s.name, text, err)
			continue
		}
		if cmp.Equal(want, DefaultConfig()) {
			t.Errorf("--%s=%s changes nothing", s.name, text)
		}
		for way, got := range map[string]func() (Config, string, error){
			"environment": func() (Config, string, error) { return read(t, nil, envName(s.name)+"="+text) },
			"file":        func() (Config, string, error) { return read(t, []string{"--config=" + file(t, s.name+": "+text)}) },
		} {
			cfg, _, err := got()
			if err != nil {
				t.Errorf("%s as %s: %v", s.name, way, err)
			} else if diff := cmp.Diff(want, cfg); diff != "" {
				t.Errorf("%s as %s:\n%s", s.name, way, diff)
			}
		}
	}
}

func TestMistakesAreAllReportedAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		args    []string
		environ []string
		want    []string
	}{
		"unknown flag":        {[]string{"--pings", "1s"}, nil, []string{"unknown flag --pings"}},
		"unknown variable":    {nil, []string{"REALTIME_PINGS=1", "REALTIME_A=2"}, []string{"no such setting: REALTIME_A, REALTIME_PINGS"}},
		"not a duration":      {[]string{"--ping-interval", "soon"}, nil, []string{"--ping-interval"}},
		"not a size":          {[]string{"--max-outbox", "4 apples"}, nil, []string{"--max-outbox", "expected a number of bytes"}},
		"several":             {[]string{"--engine=x", "--max-payload=1", "--ping-timeout=25h"}, nil, []string{`--engine: "x" is not one of auto, loops, portable`, "--max-payload: 1B is outside 1KiB to 256MiB", "--ping-timeout: 25h0m0s is outside 100ms to 24h"}},
		"address":             {[]string{"--listen=8080"}, nil, []string{`--listen: "8080" does not have the form host:port`}},
		"path":                {[]string{"--path=socket.io"}, nil, []string{"--path"}},
		"transport":           {[]string{"--transports=polling,flash"}, nil, []string{`--transports: "flash"`}},
		"twice":               {[]string{"--namespaces=/,/"}, nil, []string{`--namespaces: `}},
		"header":              {[]string{"--keep-headers=User Agent"}, nil, []string{"--keep-headers"}},
		"web root":            {[]string{"--web-root=/nowhere/at/all"}, nil, []string{"--web-root"}},
		"node id":             {[]string{"--node-id=" + strings.Repeat("x", 65)}, nil, []string{"--node-id"}},
		"file missing":        {[]string{"--config=/nowhere"}, nil, []string{"--config"}},
		"unknown key":         {[]string{"--config=" + file(t, "# hi\nlisten: :1\npings: 1\nengine: [a, [b]]\n")}, nil, []string{":3: no such setting: pings", ":4: engine: an item"}},
		"key twice":           {[]string{"--config=" + file(t, "engine: auto\nengine: loops\n")}, nil, []string{"engine"}},
		"file is a list":      {[]string{"--config=" + file(t, "- a\n")}, nil, []string{"not a mapping"}},
		"file is not YAML":    {[]string{"--config=" + file(t, "a: [")}, nil, []string{"--config"}},
		"nested":              {[]string{"--config=" + file(t, "listen:\n  a: 1\n")}, nil, []string{":1: listen: not a plain value"}},
		"bad value in a file": {[]string{"--config=" + file(t, "max-pending-acks: many\n")}, nil, []string{"--max-pending-acks"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := read(t, c.args, c.environ...)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in\n%v", want, err)
				}
			}
		})
	}
}

func TestBounds(t *testing.T) {
	for _, s := range settings(&Config{}) {
		if s.min == "" {
			continue
		}
		for _, text := range []string{s.min, s.max} {
			args := []string{"--connect-timeout=10m", "--" + s.name + "=" + text}
			if s.name == "connect-timeout" {
				args = []string{"--admission-timeout=10ms", args[1]}
			}
			if _, _, err := read(t, args); err != nil {
				t.Errorf("--%s=%s: %v", s.name, text, err)
			}
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

// --help shows every setting with its default, under its chapter.
func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"-h"}, {"help"}, {"serve", "--help"}} {
		_, out, err := read(t, args)
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

func TestReferenceIsUpToDate(t *testing.T) {
	const path = "../../docs/configuration.md"
	var want bytes.Buffer
	if err := writeReference(&want); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), string(got)); diff != "" {
		t.Errorf("docs/configuration.md is not what Config says; run make generate:\n%s", diff)
	}
}

func ExampleByteSize() {
	var s ByteSize
	_ = s.UnmarshalText([]byte("64KiB"))
	fmt.Println(int64(s), s)
	// Output: 65536 64KiB
}
