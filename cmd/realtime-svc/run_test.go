package main

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is the program in a process of its own.
type program struct {
	t   *testing.T
	cmd *exec.Cmd
	log *bufio.Scanner
	all bytes.Buffer
}

func launch(t *testing.T, args string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), runEnv+"="+args)
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

// exit waits for the end and returns the exit code.
func (p *program) exit() int {
	p.t.Helper()
	for p.log.Scan() { // what it still says
	}
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

const anyPorts = "--listen=127.0.0.1:0 --grpc-listen=127.0.0.1:0 --admin-listen=127.0.0.1:0 "

func TestSIGTERMEndsInOrder(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := launch(t, anyPorts+"--log-format=json")
		started := p.line(`"msg":"started"`)
		if !strings.Contains(started, `"grpc_listen":"127.0.0.1:`) {
			t.Errorf("it does not say where gRPC listens: %s", started)
		}
		if err := p.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if code := p.exit(); code != exitOK {
			t.Errorf("exit code %d after %v\n%s", code, s, p.all.String())
		}
		if !strings.Contains(p.all.String(), `"msg":"stopped"`) {
			t.Errorf("no word of the end:\n%s", p.all.String())
		}
	}
}

// A client that holds on does not keep the process beyond its grace period, and a second signal ends it at once.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	p := launch(t, anyPorts+"--grace-period=1h")
	started := p.line("started")
	_, rest, _ := strings.Cut(started, " listen=")
	address, _, _ := strings.Cut(rest, " ")
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	// A request whose body never comes holds net/http's shutdown up.
	_, _ = io.WriteString(c, "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	p.line("stopping")
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if code := p.exit(); code != exitFailed && code != exitOK {
		t.Errorf("exit code %d\n%s", code, p.all.String())
	}
}

func TestExitCodes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for args, want := range map[string]struct {
		code int
		says string
	}{
		"version":                       {exitOK, ""},
		"--help":                        {exitOK, ""},
		"--nonsense":                    {exitUsage, "realtime-svc: unknown flag --nonsense"},
		"--engine=x --ping-interval=0s": {exitUsage, "realtime-svc: --ping-interval"},
		"nonsense":                      {exitUsage, "unexpected argument nonsense"},
		"--admin-listen=" + taken.Addr().String() + " --listen=127.0.0.1:0 --grpc-listen=127.0.0.1:0": {exitFailed, "--admin-listen: listen tcp"},
	} {
		p := launch(t, args)
		if code := p.exit(); code != want.code || !strings.Contains(p.all.String(), want.says) {
			t.Errorf("%q: exit code %d, says %q", args, code, p.all.String())
		}
	}
}

func TestWarnings(t *testing.T) {
	p := launch(t, "--listen=127.0.0.1:0 --grpc-listen=0.0.0.0:0 --admin-listen=127.0.0.1:0")
	if line := p.line("no authentication"); !strings.Contains(line, "WARN") {
		t.Error(line)
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	p.exit()
}
