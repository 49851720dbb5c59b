package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// process is a server that is measured.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string // what it says, on either stream; closed at its end
}

func startProcess(name string, args ...string) (*process, error) {
	cmd := exec.CommandContext(context.Background(), name, args...) //nolint:gosec // what the caller wants to measure
	p := &process{cmd: cmd, lines: make(chan string, 1024)}
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	_ = w.Close()
	go func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			select {
			case p.lines <- lines.Text():
			default: // nobody reads
			}
		}
	}()
	return p, nil
}

// say waits for a line that the pattern matches, and returns its groups.
func (p *process) say(pattern string) ([]string, error) {
	wanted, said := regexp.MustCompile(pattern), []string{}
	for timeout := time.After(30 * time.Second); ; {
		select {
		case line, ok := <-p.lines:
			if !ok {
				return nil, fmt.Errorf("the server ended: %s", strings.Join(said, "\n"))
			}
			if groups := wanted.FindStringSubmatch(line); groups != nil {
				return groups, nil
			}
			said = append(said, line)
		case <-timeout:
			return nil, fmt.Errorf("the server did not say %s but %s", pattern, strings.Join(said, "\n"))
		}
	}
}

func (p *process) end() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// usage is what a process has used until now.
type usage struct {
	cpu time.Duration // user and system
	rss int           // bytes
}

// tick is the unit of times in /proc.
const tick = 10 * time.Millisecond

func (p *process) usage() (u usage, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return u, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 22 {
		return u, errors.New("/proc/PID/stat has another form")
	}
	for _, i := range []int{11, 12} {
		n, _ := strconv.Atoi(fields[i])
		u.cpu += time.Duration(n) * tick
	}
	pages, _ := strconv.Atoi(fields[21])
	u.rss = pages * os.Getpagesize()
	return u, nil
}
