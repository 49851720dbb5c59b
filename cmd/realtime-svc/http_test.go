package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// withHTTP serves HTTP on a port of its own.
func withHTTP(c *Config) { c.HTTPListen = "127.0.0.1:0" }

// httpClient speaks to a listener with that TLS (nil: without) on connections that last for one request.
func httpClient(config *tls.Config) *http.Client {
	if config != nil {
		config.NextProtos = nil // as a client chooses that knows of HTTP/1.1 only
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
}

// callHTTP makes a request and returns its status and body. headers are names and values.
func callHTTP(t *testing.T, client *http.Client, method, url, body string, headers ...string) (int, string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// The HTTP face has the certificates of gRPC, and a caller is named by its own, as with gRPC.
func TestHTTPHasTheTLSOfGRPC(t *testing.T) {
	f := newGRPCFixture(t)
	withHTTP(&f.cfg)
	f.cfg.GRPCTokens = f.write("tokens.yaml", "- {name: mesh, certificate: mesh, methods: [CountSockets]}\n- {name: chat, token: the-token-of-chat}\n")
	p := f.start()
	if err := countAll(t.Context(), f.dial(p, f.services.client("mesh"))); err != nil {
		t.Errorf("with gRPC: %v", err)
	}
	url := "https://" + p.Addrs().HTTP.String()
	for name, c := range map[string]struct {
		with    []tls.Certificate
		path    string
		headers []string
		want    int // 0: no connection
	}{
		"by its certificate":    {[]tls.Certificate{f.services.client("mesh")}, "/v1/sockets:count", nil, 200},
		"without the right":     {[]tls.Certificate{f.services.client("mesh")}, "/v1/rooms", nil, 403},
		"by a token":            {[]tls.Certificate{f.services.client("mesh")}, "/v1/rooms", []string{"Authorization", "Bearer the-token-of-chat"}, 200},
		"a name of nobody":      {[]tls.Certificate{f.services.client("nobody")}, "/v1/sockets:count", nil, 401},
		"a stranger's":          {[]tls.Certificate{newSigner(t).client("mesh")}, "/v1/sockets:count", nil, 0},
		"the server's signer's": {[]tls.Certificate{f.servers.client("mesh")}, "/v1/sockets:count", nil, 0},
		"no certificate":        {nil, "/v1/sockets:count", []string{"Authorization", "Bearer the-token-of-chat"}, 0},
	} {
		code, text, err := callHTTP(t, httpClient(f.tls(c.with...)), http.MethodGet, url+c.path, "", c.headers...)
		if code != c.want || (err != nil) != (c.want == 0) {
			t.Errorf("%s: %d %s %v", name, code, text, err)
		}
	}
	if code, text, _ := callHTTP(t, httpClient(nil), http.MethodGet, strings.Replace(url, "https", "http", 1)+"/v1/rooms", ""); code != http.StatusBadRequest {
		t.Errorf("without TLS: %d %s", code, text)
	}
}

// The address decides whether a page whose name leads here could call, and tokens that it could not.
func TestHTTPHosts(t *testing.T) {
	f := newGRPCFixture(t)
	tokens := f.write("tokens.yaml", "- {name: chat, token: the-token-of-chat}\n")
	for name, c := range map[string]struct {
		edit func(*Config)
		want int
	}{
		"nobody needs a token": {func(*Config) {}, 403},
		"callers need a token": {func(c *Config) { c.GRPCTokens = tokens }, 200},
		"beyond this machine":  {func(c *Config) { c.HTTPListen, c.GRPCInsecure = "0.0.0.0:0", true }, 200},
	} {
		p := start(t, withHTTP, c.edit)
		_, port, _ := net.SplitHostPort(p.Addrs().HTTP.String())
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+"/v1/rooms", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "name.example"
		r.Header.Set("Authorization", "Bearer the-token-of-chat")
		resp, err := httpClient(nil).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if _ = resp.Body.Close(); resp.StatusCode != c.want {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
		stopped(t, p)
	}
}

// Stop ends the streams of HTTP with a reason, and leaves nothing open. Calls are counted with those of gRPC.
func TestStopEndsHTTP(t *testing.T) {
	p := start(t, withHTTP)
	url := "http://" + p.Addrs().HTTP.String()
	if code, text, err := callHTTP(t, httpClient(nil), http.MethodPost, url+"/v1/emit", `{"target":{},"event":"e"}`); code != 200 || err != nil {
		t.Errorf("%d %s %v", code, text, err)
	}
	if _, text := fetch(t, p.Addrs().Admin, "/metrics"); !strings.Contains(text, `grpc_server_handled_total{grpc_code="OK",grpc_method="Emit"`) {
		t.Error("the call is not counted")
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/v1/watch", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewReader(resp.Body)
	if first, err := lines.ReadString('\n'); err != nil || !strings.Contains(first, `"opened"`) {
		t.Fatalf("%q, %v", first, err)
	}
	stopped(t, p)
	if last, err := lines.ReadString('\n'); err != nil || !strings.Contains(last, "SHUTTING_DOWN") {
		t.Errorf("%q, %v", last, err)
	}
	if _, err := lines.ReadString('\n'); !errors.Is(err, io.EOF) {
		t.Errorf("then %v", err)
	}
	if c, err := net.Dial("tcp", p.Addrs().HTTP.String()); err == nil {
		_ = c.Close()
		t.Error("it is still open")
	}
}

// The conditions for an address that strangers reach are those of gRPC.
func TestReachableHTTPAddress(t *testing.T) {
	for args, want := range map[string]string{
		"--http-listen=127.0.0.1:9092":                   "",
		"--http-listen=[::1]:9092":                       "",
		"--http-listen=:9092 --grpc-insecure":            "",
		"--http-listen=:9092 --grpc-tokens=/t":           "",
		"--http-listen=9092":                             `--http-listen: "9092" does not have the form host:port`,
		"--http-listen=:9092":                            `--http-listen: ":9092" can be reached from other machines`,
		"--http-listen=10.0.0.1:9092 --grpc-tls-key=/k":  "--grpc-tls-key: needs --grpc-tls-cert\n" + `--http-listen: "10.0.0.1:9092" can be reached`,
		"--http-listen=0.0.0.0:9092 --grpc-listen=:9090": `--grpc-listen: ":9090" can be reached from other machines`,
	} {
		_, _, err := read(t, strings.Fields(args))
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// A socket that was handed over for HTTP is served, or refused where HTTP is not.
func TestInheritedHTTP(t *testing.T) {
	open := func() net.Listener {
		t.Helper()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for _, edit := range []func(*Config){withHTTP, func(*Config) {}} {
		cfg := onPortsOfTheirOwn()
		edit(&cfg)
		p, err := NewProcess(cfg, newLogger(cfg, io.Discard))
		if err != nil {
			t.Fatal(err)
		}
		given := open()
		p.Inherited = map[string]net.Listener{"http": given}
		err = p.Start(context.Background())
		if cfg.HTTPListen == "" {
			if err == nil || !strings.HasPrefix(err.Error(), "--http-listen: ") {
				t.Errorf("%v", err)
			}
			continue
		}
		if err != nil || p.Addrs().HTTP.String() != given.Addr().String() {
			t.Errorf("%v, at %v", err, p.Addrs().HTTP)
		}
		stopped(t, p)
	}
}
