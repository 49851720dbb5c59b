package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "worker" {
		fmt.Fprintln(os.Stderr, work(os.Args[2]))
		os.Exit(1)
	}
	binary := flag.String("binary", "bin/realtime-svc", "the realtime-svc to measure")
	nodeDir := flag.String("node", "e2e/bench-server.mjs", "the program of Node's server; empty: it is left out")
	rounds := flag.Int("rounds", 3, "how many times each is measured; the table has the medians")
	short := flag.Bool("quick", false, "do little, to see that it works")
	only := flag.String("only", "", "comma-separated scenarios to run; empty: all")
	out := flag.String("json", "", "file that gets every round's figures")
	profiles := flag.String("profiles", "", "folder that gets CPU, mutex and block profiles of each scenario; it costs a little")
	flag.Parse()
	z := full
	if *short {
		z = quick
	}
	servers := []contender{{"realtime-svc", func() (server, error) { return startOurs(*binary) }}}
	if *profiles != "" {
		servers[0].start = func() (server, error) { return startOurs(*binary, "--admin-profiles") }
	}
	if *nodeDir != "" {
		servers = append(servers, contender{"socket.io", func() (server, error) { return startNode(*nodeDir) }})
	}
	results, err := runAll(servers, &z, *rounds, *only, *profiles)
	fmt.Print(table(servers, results))
	if *out != "" {
		err = errors.Join(err, writeJSON(*out, results))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// contender is a server that can be started.
type contender struct {
	name  string
	start func() (server, error)
}

// result is what one round of one scenario measured.
type result struct {
	Server   string   `json:"server"`
	Scenario string   `json:"scenario"`
	Round    int      `json:"round"`
	Figures  []figure `json:"figures"`
	Failure  string   `json:"failure,omitempty"`
}

// runAll runs every scenario on each server in turn, round after round. What fails is in the results and in the error.
func runAll(servers []contender, z *sizes, rounds int, only, profiles string) (results []result, err error) {
	fit(z)
	for round := range rounds {
		for _, sc := range scenarios {
			if only != "" && !slices.Contains(strings.Split(only, ","), sc.name) {
				continue
			}
			for _, c := range servers {
				if c.name != "realtime-svc" && slices.Contains(oursOnly, sc.name) {
					continue
				}
				r := result{Server: c.name, Scenario: sc.name, Round: round + 1}
				s, failure := c.start()
				if failure == nil {
					profiled := make(chan struct{})
					go func() {
						defer close(profiled)
						if o, ok := s.(*ours); ok && profiles != "" {
							_ = o.profile(filepath.Join(profiles, sc.name+".pprof"), fmt.Sprintf("profile?seconds=%d", int(z.lasts.Seconds())))
						}
					}()
					r.Figures, failure = sc.run(s, z)
					<-profiled
					if o, ok := s.(*ours); ok && profiles != "" {
						_ = o.profile(filepath.Join(profiles, sc.name+".mutex.pprof"), "mutex")
						_ = o.profile(filepath.Join(profiles, sc.name+".block.pprof"), "block")
					}
					s.end()
				}
				if failure != nil {
					r.Failure = failure.Error()
					err = errors.Join(err, fmt.Errorf("%s, %s, round %d: %w", c.name, sc.name, round+1, failure))
				}
				results = append(results, r)
				fmt.Fprintf(os.Stderr, "%s, %s, round %d: %+v %s\n", c.name, sc.name, round+1, r.Figures, r.Failure)
			}
		}
	}
	return results, err
}

// fit makes the crowds as small as the limit of open files wants, and says so.
func fit(z *sizes) {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return
	}
	limit.Cur = limit.Max
	_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	if most := int(limit.Cur) - 1000; z.idle > most {
		fmt.Fprintf(os.Stderr, "idle sessions: %d instead of %d, as no more files may be open\n", most, z.idle)
		z.idle = most
	}
}

// table is the medians in Markdown.
func table(servers []contender, results []result) string {
	var b strings.Builder
	b.WriteString("| measure | unit |")
	for _, c := range servers {
		b.WriteString(" " + c.name + " |")
	}
	if len(servers) > 1 {
		b.WriteString(" ratio |")
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(servers)+min(1, len(servers)-1)) + "\n")
	values := map[string]map[string][]float64{}
	var order []figure
	for _, r := range results {
		for _, f := range r.Figures {
			if values[f.Name] == nil {
				values[f.Name] = map[string][]float64{}
				order = append(order, f)
			}
			values[f.Name][r.Server] = append(values[f.Name][r.Server], f.Value)
		}
	}
	for _, f := range order {
		fmt.Fprintf(&b, "| %s | %s |", f.Name, f.Unit)
		var medians []float64
		for _, c := range servers {
			list := slices.Sorted(slices.Values(values[f.Name][c.name]))
			if len(list) == 0 {
				b.WriteString(" - |")
				continue
			}
			medians = append(medians, list[len(list)/2])
			b.WriteString(" " + number(list[len(list)/2]) + " |")
		}
		if len(servers) > 1 && len(medians) == 2 {
			fmt.Fprintf(&b, " %s |", ratio(f.Unit, medians[0], medians[1]))
		} else if len(servers) > 1 {
			b.WriteString(" |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// ratio is how many times the first is better than the second.
func ratio(unit string, first, second float64) string {
	if unit == "1/s" {
		first, second = second, first
	}
	if first == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f x", second/first)
}

func number(v float64) string {
	switch {
	case v >= 1000:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func writeJSON(path string, results []result) error {
	text, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o600)
}
