package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/realtime-svc/realtime-svc/cmd/realtime-svc/cli"
)

// ran is what a command did.
type ran struct {
	code     int
	out, err string
}

// runCommand runs a command line against a Process; nil: against nobody.
func runCommand(t *testing.T, p *Process, line string, more ...string) ran {
	t.Helper()
	environ := []string{"REALTIME_ADDRESS=127.0.0.1:1"}
	if p != nil {
		environ[0] = "REALTIME_ADDRESS=" + p.Addrs().GRPC.String()
	}
	var out, errs bytes.Buffer
	code := cli.Run(t.Context(), append(strings.Fields(line), more...), cli.Surroundings{Stdout: &out, Stderr: &errs, Environ: environ})
	return ran{code, out.String(), errs.String()}
}

// visitor is a client that reads, and answers what it is asked.
func visitor(t *testing.T, p *Process) *tossed {
	t.Helper()
	c := &tossed{storm: &storm{t: t, edge: p.Addrs().Edge.String()}}
	if err := c.connect(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.conn.Close() })
	return c
}

// Every command does what it says, for people and as JSON.
func TestCommands(t *testing.T) {
	p := start(t)
	defer stopped(t, p)
	c := visitor(t, p)
	answering := make(chan struct{})
	go func() { // answers questions until the connection ends
		defer close(answering)
		for {
			packet, err := c.frame()
			if err != nil {
				return
			}
			if id := regexp.MustCompile(`^42(\d+)\["question"`).FindStringSubmatch(packet); id != nil {
				_ = c.send("43" + id[1] + `["yes"]`)
			}
		}
	}()
	for _, step := range []struct {
		line string
		args []string
		code int
		out  string // pattern of the whole of standard output
		err  string // part of standard error
	}{
		{"sockets join news -s " + c.sid, nil, 0, `1 socket in news\n`, ""},
		{"rooms", nil, 0, `ROOM +SOCKETS\nnews +1\n`, ""},
		{"rooms --json", nil, 0, `\{"name":"news","sockets":1\}\n`, ""},
		{"sockets", nil, 0, `SOCKET +USER +TRANSPORT +CONNECTED +ADDRESS +ROOMS\n` + c.sid + ` +- +websocket +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +127.0.0.1 +news\n`, ""},
		{"sockets list -r nowhere", nil, 0, `no sockets\n`, ""},
		{"sockets list -r news --json", nil, 0, `\{"id":"` + c.sid + `".*"rooms":\["news"\].*\}\n`, ""},
		{"sockets get " + c.sid, nil, 0, `socket +` + c.sid + `\nnamespace +/\nuser +-\n(.+\n)*rooms +news\n(.+\n)*`, ""},
		{"sockets get AAAAAAAAAAAAAAAAAAAA", nil, 1, ``, "SOCKET_NOT_FOUND"},
		{"sockets count -r news", nil, 0, `1\n`, ""},
		{"emit headline -r news", []string{`"hello"`, `{"a":1}`}, 0, `delivered to 1 of 1 socket\n`, ""},
		{"emit headline --json", nil, 0, `\{"matched":1,"delivered":1,"replayed":false\}\n`, ""},
		{"emit headline hello", nil, 2, ``, `a text needs its quotes, '"hello"'`},
		{"emit headline -n /nowhere", nil, 1, ``, "NAMESPACE_NOT_FOUND"},
		{"emit " + strings.Repeat("x", 300), nil, 1, ``, "event: must have"},
		{"emit", nil, 2, ``, "expected"},
		{"request question -r news", nil, 0, c.sid + `  \["yes"\]\nasked 1 socket: 1 answer, 0 silences, 0 disconnects\n`, ""},
		{"request question -r news --json", nil, 0, `\{"answer":.*\}\n\{"summary":.*\}\n`, ""},
		{"request question -r nowhere", nil, 1, `asked 0 sockets.*\n`, "nobody answered"},
		{"sockets disconnect", nil, 2, ``, "--all"},
		{"sockets leave news --all", nil, 2, ``, "unknown flag"},
		{"sockets leave news -s " + c.sid, nil, 0, `1 socket not in news\n`, ""},
		{"sockets disconnect --all --close", nil, 0, `1 socket disconnected\n`, ""},
		{"drain --json", nil, 0, `(\{"sessions":\d+\}\n)+`, ""},
		{"nothing", nil, 2, ``, "nothing"},
		{"emit --help", nil, 0, `(?s).*Usage: realtime-svc emit.*`, ""},
	} {
		t.Run(step.line, func(t *testing.T) {
			got := runCommand(t, p, step.line, step.args...)
			if got.code != step.code || !regexp.MustCompile("^"+step.out+"$").MatchString(got.out) || !strings.Contains(got.err, step.err) {
				t.Errorf("exit code %d\n%s%s\nwant %d, %s, %s", got.code, got.out, got.err, step.code, step.out, step.err)
			}
			if step.code == 0 && got.err != "" {
				t.Errorf("standard error: %s", got.err)
			}
		})
	}
	_ = c.conn.Close() // or the end waits for its close frame
	<-answering
	if got := runCommand(t, nil, "rooms"); got.code != 3 || !strings.Contains(got.err, "Unavailable: connection error") {
		t.Errorf("without a service: %+v", got)
	}
}

// lines is a Writer that hands over what is written to it, a line at a time.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		l <- line
	}
	return len(p), nil
}

// Watch tells of each event as it comes, and ends well when its reader has seen enough.
func TestCommandWatch(t *testing.T) {
	p := start(t)
	defer stopped(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	out, ended := make(lines, 100), make(chan int, 1)
	go func() {
		ended <- cli.Run(ctx, []string{"watch", "--kind=connected,received,disconnected,joined", "-a", p.Addrs().GRPC.String()},
			cli.Surroundings{Stdout: out, Stderr: os.Stderr, Terminal: true})
	}()
	// It tells nobody when it stands: a client that comes often enough is seen at last.
	seen := ""
	for seen == "" {
		c := visitor(t, p)
		_ = c.conn.Close()
		select {
		case seen = <-out:
		default:
		}
	}
	c := visitor(t, p)
	if got := runCommand(t, p, "sockets join news -s "+c.sid); got.code != 0 {
		t.Fatal(got)
	}
	_ = c.send(`420["order",{"n":1}]`)
	_ = c.send("41")
	for _, want := range []string{"\x1b[32mconnected   \x1b[0m websocket", "joined      \x1b[0m news", `order [{"n":1}] (wants an answer)`, "client disconnect"} {
		for line := ""; !strings.Contains(line, want) || !strings.Contains(line, "/ "+c.sid); {
			line = <-out
		}
	}
	_ = c.conn.Close()
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d", code)
	}
	watching := runCommand(t, nil, "watch")
	if watching.code != 3 {
		t.Errorf("without a service: %+v", watching)
	}
	if got := runCommand(t, p, "watch --kind=nothing"); got.code != 2 || !strings.Contains(got.err, "room-created") {
		t.Errorf("another kind: %+v", got)
	}
}

// A token has the claims that it is asked for, and lets a client in.
func TestCommandToken(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("s", 40)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := runCommand(t, nil, "token ann --room=news --in=/ --audience=web --issuer=me --secret-file="+secret, `--data={"vip":true}`)
	if got.code != 0 {
		t.Fatal(got.err)
	}
	token := strings.TrimSpace(got.out)
	claims := jwt.MapClaims{}
	if _, err := jwt.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return []byte(strings.Repeat("s", 40)), nil }); err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(claims["sub"], claims["rooms"], claims["namespaces"], claims["aud"], claims["iss"], claims["data"]); text != "ann[news] [/] [web]memap[vip:true]" {
		t.Error(text)
	}
	p := start(t, func(c *Config) {
		c.JWTSecret, c.JWTRoomsClaim, c.JWTNamespacesClaim, c.JWTDataClaim = secret, "rooms", "namespaces", "data"
	})
	defer stopped(t, p)
	c := &tossed{storm: &storm{t: t, edge: p.Addrs().Edge.String()}}
	if err := c.connect(); err == nil {
		t.Error("it is let in without a token")
	}
	_ = c.conn.Close()
	c.auth = fmt.Sprintf(`{"token":%q}`, token)
	if err := c.connect(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.conn.Close() }()
	var one struct{ User, Data string }
	if got := runCommand(t, p, "sockets list -r news --json"); json.Unmarshal([]byte(got.out), &one) != nil || one.User != "ann" || one.Data != `{"vip":true}` {
		t.Errorf("%+v", got)
	}
	for line, want := range map[string]string{
		"token ann": "--secret-file", "token ann --expires=0s --secret-file=" + secret: "--expires", "token ann --data={ --secret-file=" + secret: "not JSON",
		"token ann --secret-file=/dev/null": "0 bytes",
	} {
		if got := runCommand(t, nil, line); got.code != 2 || !strings.Contains(got.err, want) {
			t.Errorf("%s: %+v", line, got)
		}
	}
}

// The scripts are such that the shells take them, and complete.
func TestCommandCompletion(t *testing.T) {
	for shell, wants := range map[string][]string{
		"bash": {"complete -o default -F _realtime_svc realtime-svc", "'sockets disconnect'*) words='", "serve"},
		"zsh":  {"bashcompinit", "_realtime_svc"},
		"fish": {"complete -c realtime-svc -n '__fish_use_subcommand' -a watch", "-l event"},
	} {
		got := runCommand(t, nil, "completion "+shell)
		for _, want := range wants {
			if got.code != 0 || !strings.Contains(got.out, want) {
				t.Errorf("%s: no %q in\n%s%s", shell, want, got.out, got.err)
			}
		}
	}
	if got := runCommand(t, nil, "completion tcsh"); got.code != 2 {
		t.Errorf("%+v", got)
	}
	// What bash makes of it, for the last of these words.
	script := runCommand(t, nil, "completion bash").out
	for words, want := range map[string]string{
		"realtime-svc w": "watch", "realtime-svc sockets d": "disconnect", "realtime-svc sockets join x --exc": "--except-room --except-socket", "realtime-svc emit --vol": "--volatile",
	} {
		ask := fmt.Sprintf("%s\nCOMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _realtime_svc; echo \"${COMPREPLY[*]}\"", script, words)
		if got, err := exec.Command("bash", "-c", ask).CombinedOutput(); err != nil || strings.TrimSpace(string(got)) != want {
			t.Errorf("%s: %v %s, want %s", words, err, got, want)
		}
	}
}

// --help of the service has every command of package cli, with the same words but for "of a running service".
func TestHelpHasEveryCommand(t *testing.T) {
	_, help, _ := read(t, []string{"--help"})
	help = strings.Join(strings.Fields(help), " ")
	for _, c := range cli.Commands() {
		if !strings.Contains(help, c[0]+" "+strings.TrimSuffix(c[1], ".")) {
			t.Errorf("--help does not say %s: %s", c[0], c[1])
		}
	}
}

// The variables of the commands do not keep the service from starting.
func TestCommandVariablesAreNoSettings(t *testing.T) {
	if _, _, err := read(t, nil, "REALTIME_ADDRESS=a:1", "REALTIME_TOKEN=x"); err != nil {
		t.Error(err)
	}
	if _, _, err := read(t, nil, "REALTIME_TOKENS=x"); err == nil {
		t.Error("a variable that is nothing passes")
	}
}

// config print is a configuration file that says the same, with where each value comes from.
func TestConfigPrint(t *testing.T) {
	path := file(t, "ping-interval: 1s\nnamespaces: [/, '/a:b']\nproxy-protocol: [10.0.0.0/8]\n")
	args := []string{"--config=" + path, "--max-payload=2MiB", "--jwt-jwks-url=https://u:secret@a/b"}
	want, _, err := read(t, args, "REALTIME_LOG_LEVEL=debug")
	if err != nil {
		t.Fatal(err)
	}
	_, text, err := read(t, append([]string{"config", "print"}, args...), "REALTIME_LOG_LEVEL=debug")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`max-payload: 2MiB # --max-payload`, `log-level: debug # REALTIME_LOG_LEVEL`, `ping-interval: 1s # ` + path + ":1", `ping-timeout: 20s # default`} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
	if strings.Contains(text, "secret@") {
		t.Error("a password is printed")
	}
	got, _, err := read(t, []string{"--config=" + file(t, strings.ReplaceAll(text, "u:xxxxx@", "u:secret@"))})
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("read again:\n%+v\n%+v", got, want)
	}
}

// config check finds what only the files show.
func TestConfigCheck(t *testing.T) {
	check := func(args ...string) ran {
		var out, errs bytes.Buffer
		code := run(sources{append([]string{"config", "check"}, args...), nil, &out}, &errs, nil)
		return ran{code, out.String(), errs.String()}
	}
	if got := check(); got.code != exitOK || got.out != "the configuration is valid\n" {
		t.Errorf("%+v", got)
	}
	if got := check("--ping-interval=0s", "--tls-cert=/c"); got.code != exitUsage || !strings.Contains(got.err, "--ping-interval") || !strings.Contains(got.err, "--tls-key") {
		t.Errorf("%+v", got)
	}
	if got := check("--grpc-tokens=/nowhere"); got.code != exitUsage || !strings.Contains(got.err, "/nowhere") {
		t.Errorf("%+v", got)
	}
}
