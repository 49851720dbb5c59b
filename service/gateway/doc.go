// Package gateway is the HTTP face of the control plane: every method that takes one request, with JSON bodies, by grpc-gateway from the same
// contract. proto/gateway.yaml has the routes and docs/http.md says how they are used.
//
// It adds no second way in. Each HTTP connection gets a gRPC connection of its own, in memory, to the same gRPC server, where it has the
// address and the client certificate of the HTTP connection: tokens, rights, rates, bounds on streams, validation, logs and metrics are those of
// any gRPC call, and nothing that a request says can pretend to be another caller. The connection is opened by the first request and closed
// with the HTTP connection. HTTP/1.1 only, so that one connection carries one request at a time.
//
// What gRPC need not care for is done here: requests that a stranger's page makes through somebody's browser are refused, bodies are bounded before
// they are parsed, and errors are google.rpc.Status as JSON, whatever they come from.
package gateway
