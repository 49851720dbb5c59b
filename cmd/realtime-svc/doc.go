// Command realtime-svc serves Socket.IO to browsers and gRPC to services.
//
// Its other commands talk to a service that runs, and are package cli's.
//
// This package only wires: it reads the configuration (config.go, validate.go, sources.go, file.go), builds the parts in one place (process.go)
// and turns signals into an orderly end (run.go). It is the only package that knows both the edge and the control plane.
//
// # Invariants
//
//   - C1 Every setting is one field of [Config]; its tags are the only place that states its name, default, unit, bounds and help.
//     The flag, the environment variable, the key in the file, the check, --help and docs/configuration.md are made from them.
//   - C2 A flag wins over the environment, the environment over the file, the file over the default.
//   - C3 What [Process.Start] opened, [Process.Stop] closes, in reverse order; a Start that fails closes what it had opened.
//   - C4 /readyz answers 200 only between the end of Start and the beginning of Stop or of a drain; /healthz and /metrics answer until the end,
//     but where another process listens on the same address (--share-ports, a socket that was handed over): then that answers.
//
// # Exit codes
//
// 0 after an orderly end, even if the grace period had to cut off somebody who held it up; 1 when the service could not
// start, failed while running, or was ended at once by a second signal; 2 when the command line, the environment or the
// configuration file is wrong.
package main

//go:generate go test -run UpToDate$ -update .
