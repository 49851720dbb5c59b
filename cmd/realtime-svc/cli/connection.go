package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// connection says where the service is and who calls.
type connection struct {
	Address    string        `name:"address" short:"a" env:"REALTIME_ADDRESS" default:"127.0.0.1:9090" placeholder:"HOST:PORT" help:"Where the service takes gRPC (--grpc-listen). Variable ${env}."`
	Token      string        `name:"token" env:"REALTIME_TOKEN" placeholder:"TEXT" help:"Token of the caller. Better in the variable than on the command line, which others see. Variable ${env}."`
	TokenFile  string        `name:"token-file" env:"REALTIME_TOKEN_FILE" type:"existingfile" placeholder:"FILE" help:"File with that token. Variable ${env}."`
	TLS        bool          `name:"tls" help:"Speak TLS; any of the following does as well."`
	CA         string        `name:"ca" env:"REALTIME_CA" type:"existingfile" placeholder:"FILE" help:"Certificates (PEM) of who signed the service's. Otherwise those of the system. Variable ${env}."`
	Cert       string        `name:"cert" type:"existingfile" placeholder:"FILE" help:"Certificate (PEM) of the caller."`
	Key        string        `name:"key" type:"existingfile" placeholder:"FILE" help:"Its private key."`
	ServerName string        `name:"server-name" placeholder:"NAME" help:"Name in the service's certificate, if it is not the address's."`
	Timeout    time.Duration `name:"timeout" default:"10s" help:"How long a call may take. Streams of events take as long as they want."`
}

func (c *connection) secure() bool { return c.TLS || c.CA != "" || c.Cert != "" || c.ServerName != "" }

// dial makes a connection, which is opened with the first call.
func (c *connection) dial() (*grpc.ClientConn, error) {
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if c.secure() {
		config, err := c.tls()
		if err != nil {
			return nil, &usageError{err}
		}
		options = []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(config))}
	}
	token := c.Token
	if c.TokenFile != "" {
		text, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return nil, &usageError{err}
		}
		token = strings.TrimSpace(string(text))
	}
	if token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(token)))
	}
	conn, err := grpc.NewClient(c.Address, options...)
	if err != nil {
		return nil, &usageError{fmt.Errorf("--address=%s: %w", c.Address, err)}
	}
	return conn, nil
}

func (c *connection) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--ca=%s: it holds no certificate", c.CA)
		}
	}
	if (c.Cert == "") != (c.Key == "") {
		return nil, fmt.Errorf("--cert and --key belong together")
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("--cert: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// bearer is a token that goes with every call, over connections without TLS too: those on one machine have none.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }
