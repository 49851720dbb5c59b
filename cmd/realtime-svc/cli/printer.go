package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// printer writes what a command found.
type printer struct {
	w     io.Writer
	json  bool
	color bool
}

// message writes one as a line of JSON, if that is what is wanted; otherwise it calls for.
func (p *printer) message(m proto.Message, forPeople func()) error {
	if !p.json {
		forPeople()
		return nil
	}
	text, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(m)
	if err != nil {
		return err
	}
	// protojson varies its spaces on purpose; scripts and people want them as everybody writes them.
	_, err = fmt.Fprintln(p.w, compact(text))
	return err
}

func (p *printer) line(format string, args ...any) { _, _ = fmt.Fprintf(p.w, format+"\n", args...) }

// The colours that are used, by what they are for.
const (
	bold  = "1"
	faint = "2"
	green = "32"
	red   = "31"
	cyan  = "36"
)

// paint colours a text, on a terminal.
func (p *printer) paint(code, text string) string {
	if !p.color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// table writes rows under their headings; nothing is a row of its own.
func (p *printer) table(headings []string, rows [][]string, nothing string) {
	if len(rows) == 0 {
		p.line("%s", nothing)
		return
	}
	var text strings.Builder
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{headings}, rows...) {
		_, _ = fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_ = t.Flush()
	heading, rest, _ := strings.Cut(text.String(), "\n")
	_, _ = fmt.Fprintf(p.w, "%s\n%s", p.paint(bold, strings.TrimRight(heading, " ")), rest)
}

// count is a number of things.
func count(n uint32, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
