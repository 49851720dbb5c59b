package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// runEnv makes the test binary the program itself, with the arguments that the variable holds, one a line.
const runEnv = "RUN_AS_REALTIME_SVC"

// program is the program in a process of its own.
type program struct {
	t   *testing.T
	cmd *exec.Cmd
	log *bufio.Scanner
	all bytes.Buffer // what the log has said until now
}

func launch(t *testing.T, args ...string) *program {
	t.Helper()
	return launchWith(t, nil, args...)
}

// launchWith hands listening sockets over, by name, as systemd does.
func launchWith(t *testing.T, sockets map[string]*os.File, args ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(os.Args[0])}
	p.cmd.Env = slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, envPrefix) })
	// Without the second, the race detector sleeps for a second at the end.
	p.cmd.Env = append(p.cmd.Env, runEnv+"="+strings.Join(args, "\n"), "GORACE=atexit_sleep_ms=0")
	if len(sockets) > 0 {
		names := slices.Sorted(maps.Keys(sockets))
		for _, name := range names {
			p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, sockets[name])
		}
		p.cmd.Env = append(p.cmd.Env, fmt.Sprintf("LISTEN_FDS=%d", len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.log = bufio.NewScanner(io.TeeReader(stderr, &p.all))
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

// launchOnAnyPorts starts the service on the engine that is tested and waits until it says that it has started.
func launchOnAnyPorts(t *testing.T, args ...string) (p *program, started string) {
	t.Helper()
	p = launch(t, append([]string{
		"--listen=127.0.0.1:0", "--grpc-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--engine=" + onPortsOfTheirOwn().Engine,
	}, args...)...)
	return p, p.line("started")
}

// line waits for a log line with the text.
func (p *program) line(text string) string {
	p.t.Helper()
	for p.log.Scan() {
		if strings.Contains(p.log.Text(), text) {
			return p.log.Text()
		}
	}
	p.t.Fatalf("no line with %q in\n%s", text, p.all.String())
	return ""
}

func (p *program) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// exit waits for the end and returns the exit code.
func (p *program) exit() int {
	p.t.Helper()
	for p.log.Scan() { // what it still says
	}
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

func TestSignalsEndInOrder(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p, started := launchOnAnyPorts(t, "--log-format=json", "--node-id=n1")
		for _, want := range []string{`"listen":"127.0.0.1:`, `"grpc_listen":"127.0.0.1:`, `"admin_listen":"127.0.0.1:`, `"open_files_limit":`, `"node":"n1"`} {
			if !strings.Contains(started, want) {
				t.Errorf("it does not say %s: %s", want, started)
			}
		}
		p.signal(s)
		if code := p.exit(); code != exitOK {
			t.Errorf("exit code %d after %v\n%s", code, s, p.all.String())
		}
		if !strings.Contains(p.all.String(), `"msg":"stopped"`) {
			t.Errorf("no word of the end:\n%s", p.all.String())
		}
	}
}

// held starts the service with somebody who keeps its end from coming: who asks for a large file and does not read it.
func held(t *testing.T, args ...string) *program {
	t.Helper()
	p, started := launchOnAnyPorts(t, append(args, "--web-root="+largeFile(t))...)
	address := regexp.MustCompile(` listen=(\S+)`).FindStringSubmatch(started)
	if address == nil {
		t.Fatal(started)
	}
	hold(t, address[1])
	return p
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	p := held(t, "--grace-period=1h")
	p.signal(syscall.SIGTERM)
	p.line("stopping")
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != exitFailed || !strings.Contains(p.all.String(), "stopped at once") {
		t.Errorf("exit code %d\n%s", code, p.all.String())
	}
}

// Somebody who does not read is cut off within the grace period; that is no failure.
func TestClientsThatHoldOnAreCutOff(t *testing.T) {
	for _, period := range []string{"0s", "100ms"} {
		p := held(t, "--grace-period="+period)
		p.signal(syscall.SIGTERM)
		code := p.exit()
		if said := p.all.String(); code != exitOK || !strings.Contains(said, "level=WARN") || !strings.Contains(said, "were cut off") {
			t.Errorf("%s: exit code %d\n%s", period, code, said)
		}
	}
}

func TestExitCodes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, c := range []struct {
		args []string
		code int
		says string // of a line each
	}{
		{[]string{"version"}, exitOK, `^$`},
		{[]string{"--help"}, exitOK, `^$`},
		{[]string{"--nonsense"}, exitUsage, `^realtime-svc: unknown flag --nonsense\n$`},
		{[]string{"nonsense"}, exitUsage, `^realtime-svc: unexpected argument nonsense\n$`},
		{[]string{"--engine=x", "--ping-interval=0s"}, exitUsage, `^realtime-svc: --ping-interval: [^\n]+\nrealtime-svc: --engine: [^\n]+\n$`},
		{[]string{"--admin-listen=" + taken.Addr().String(), "--listen=127.0.0.1:0", "--grpc-listen=127.0.0.1:0"}, exitFailed,
			`^[^\n]+ level=ERROR msg="cannot start"[^\n]+ error="--admin-listen: listen tcp [^\n]+ address already in use"\n$`},
	} {
		p := launch(t, c.args...)
		if code := p.exit(); code != c.code || !regexp.MustCompile(c.says).MatchString(p.all.String()) {
			t.Errorf("%q: exit code %d, says %q", c.args, code, p.all.String())
		}
	}
}

func TestWarnings(t *testing.T) {
	tokens := file(t, "- { name: a, token: 0123456789abcdef }\n")
	const reachable = "--grpc-listen=0.0.0.0:0"
	for _, c := range []struct {
		args []string
		want string // "": no warning
	}{
		{[]string{reachable, "--grpc-insecure"}, "no authentication"},
		{[]string{reachable, "--grpc-tokens=" + tokens}, "without TLS"},
		{[]string{"--grpc-listen=127.0.0.1:0"}, ""},
	} {
		p, _ := launchOnAnyPorts(t, c.args...)
		p.signal(syscall.SIGTERM)
		p.exit()
		for _, text := range []string{"no authentication", "without TLS"} {
			if said := strings.Contains(p.all.String(), text); said != (text == c.want) {
				t.Errorf("%s: %q: %v\n%s", c.args, text, said, p.all.String())
			}
		}
	}
}

func TestLogger(t *testing.T) {
	cfg := defaultConfig()
	cfg.NodeID = "n1"
	for _, c := range []struct{ level, format, want string }{
		{"info", "text", "level=INFO msg=i node=n1\nlevel=WARN msg=w node=n1\n"},
		{"warn", "json", `"level":"WARN","msg":"w","node":"n1"}` + "\n"},
		{"error", "text", ""},
		{"debug", "text", "level=DEBUG msg=d node=n1\nlevel=INFO msg=i node=n1\nlevel=WARN msg=w node=n1\n"},
	} {
		cfg.LogLevel, cfg.LogFormat = c.level, c.format
		var out bytes.Buffer
		logger := newLogger(cfg, &out)
		logger.Debug("d")
		logger.Info("i")
		logger.Warn("w")
		got := regexp.MustCompile(`(?m)^(\{"time":"[^"]+",|time=\S+ )`).ReplaceAllString(out.String(), "")
		if got != c.want {
			t.Errorf("%s %s: %q", c.level, c.format, got)
		}
	}
}

func TestHostName(t *testing.T) {
	if name := hostName(); name == "" || !nodeShape.MatchString(name) {
		t.Errorf("%q", name)
	}
}
