package main

import (
	"crypto/tls"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// The HTTP face is served where it is told to be, over TLS when gRPC is, and ends with the process although somebody watches.
func TestHTTPFace(t *testing.T) {
	f := newCertFixture(t)
	for scheme, edit := range map[string]func(*Config){
		"http":  func(*Config) {},
		"https": func(c *Config) { c.GRPCTLSCert, c.GRPCTLSKey = f.cert, f.key },
	} {
		t.Run(scheme, func(t *testing.T) {
			p := start(t, func(c *Config) { c.HTTPListen = "127.0.0.1:0" }, edit)
			transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			at := scheme + "://" + p.Addrs().HTTP.String()
			r, err := client.Post(at+"/v1/emit", "application/json", strings.NewReader(`{"target":{},"event":"e"}`))
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(r.Body)
			_ = r.Body.Close()
			if r.StatusCode != http.StatusOK || !strings.Contains(string(text), "delivered") {
				t.Errorf("%s %s", r.Status, text)
			}
			watch, err := client.Get(at + "/v1/watch")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = watch.Body.Close() }()
			counted := regexp.MustCompile(`grpc_server_started_total{grpc_method="Emit",grpc_service="realtime.v1.EmitService",[^}]*} 1\n`)
			if _, metrics := fetch(t, p.Addrs().Admin, "/metrics"); !counted.MatchString(metrics) {
				t.Error("the call is not among the metrics")
			}
			stopped(t, p)
			if text, _ := io.ReadAll(watch.Body); !strings.Contains(string(text), "SHUTTING_DOWN") {
				t.Errorf("the stream ended with %s", text)
			}
		})
	}
}

func TestHTTPFaceIsNotForStrangers(t *testing.T) {
	for args, want := range map[string]string{
		"--http-listen=:9092": "--http-listen: \":9092\" can be reached",
		"--http-listen=127.0.0.1:1 --grpc-tls-cert=/c --grpc-tls-key=/k --grpc-tls-client-ca=/a": "needs --grpc-tokens",
		"--http-listen=nowhere": "host:port",
	} {
		if _, _, err := read(t, strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
	if _, _, err := read(t, []string{"--http-listen=:9092", "--grpc-insecure"}); err != nil {
		t.Error(err)
	}
}
