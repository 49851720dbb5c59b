// Package check has nothing but tests: that the files for Kubernetes, systemd, Grafana, Prometheus and the image are such that those take them, and
// that they speak of settings, ports and metrics that the service has. REALTIME_BIN names its binary.
package check
