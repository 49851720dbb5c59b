package check

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The image is built without a daemon, starts as its user with nothing but its one file, answers its probes and a client, and ends in
// order.
func TestImage(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "image.tar")
	t.Setenv("IMAGE", "realtime-svc-test") // not the one that somebody has built to keep
	text := output(t, filepath.Join(root, "deploy/image/build.sh"), archive)
	tag := strings.TrimSpace(text[strings.Index(text, ": ")+2:])
	buildah := func(args ...string) string {
		lines := strings.Split(strings.TrimSpace(output(t, "buildah", append([]string{"--storage-driver", "vfs"}, args...)...)), "\n")
		return lines[len(lines)-1] // after what it says of its progress
	}
	// From the archive, as a registry would have it.
	container := buildah("from", "oci-archive:"+archive)
	t.Cleanup(func() {
		_ = exec.Command("buildah", "--storage-driver", "vfs", "rm", container).Run()
		_ = exec.Command("buildah", "--storage-driver", "vfs", "rmi", tag).Run()
	})
	if config := buildah("inspect", "--format", "{{.OCIv1.Config.User}} {{.OCIv1.Config.Entrypoint}} {{.OCIv1.Config.Labels}}", container); !strings.HasPrefix(config, "65532:65532 [/realtime-svc]") ||
		!strings.Contains(config, "org.opencontainers.image.version:") {
		t.Error(config)
	}
	node := "image-" + strings.ToLower(rand.Text())
	run := exec.CommandContext(t.Context(), "buildah", "--storage-driver", "vfs", "run", "--isolation", "chroot", container, "--",
		"/realtime-svc", "--listen=127.0.0.1:0", "--grpc-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--node-id="+node)
	run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := run.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-run.Process.Pid, syscall.SIGKILL) })
	started := regexp.MustCompile(`msg=started .* listen=(\S+) .*admin_listen=(\S+)`)
	lines, said := bufio.NewScanner(stderr), []string{}
	var at []string
	for at == nil && lines.Scan() {
		at = started.FindStringSubmatch(lines.Text())
		said = append(said, lines.Text())
	}
	if at == nil {
		t.Fatalf("it did not start:\n%s", strings.Join(said, "\n"))
	}
	for url, want := range map[string]string{
		"http://" + at[2] + "/healthz": "ok", "http://" + at[2] + "/readyz": "ready",
		"http://" + at[1] + "/socket.io/?EIO=4&transport=polling": `0{"sid":"`, "http://" + at[1] + "/socket.io/socket.io.min.js": "Socket.IO",
	} {
		r, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if r.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s %.80s", url, r.Status, body)
		}
	}
	process := processOf(t, node)
	if status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(process), "status")); err != nil || !regexp.MustCompile(`(?m)^Uid:\s65532\s65532\s65532\s65532$`).Match(status) {
		t.Errorf("it does not run as user 65532: %v\n%s", err, status)
	}
	// buildah would kill it; an engine sends the process itself a signal.
	_ = syscall.Kill(process, syscall.SIGTERM)
	rest, stopped := "", false
	for lines.Scan() {
		rest += lines.Text() + "\n"
		stopped = stopped || strings.Contains(lines.Text(), "msg=stopped")
	}
	_ = run.Wait()
	if !stopped {
		t.Errorf("it did not end in order:\n%s", rest)
	}
}

// processOf is the id of the service that is called so.
func processOf(t *testing.T, node string) int {
	t.Helper()
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range paths {
		line, _ := os.ReadFile(path)
		if bytes.HasPrefix(line, []byte("/realtime-svc\x00")) && bytes.Contains(line, []byte("--node-id="+node+"\x00")) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			return pid
		}
	}
	t.Fatal("there is no such process")
	return 0
}
