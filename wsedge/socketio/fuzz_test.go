package socketio

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// FuzzDecode: whatever decodes is within the limits and valid JSON, and encodes to what decodes to the same.
func FuzzDecode(f *testing.F) {
	v := loadVectors(f)
	for _, c := range v.Decode {
		f.Add([]byte(c.Text))
	}
	for _, text := range v.Stricter {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !utf8.Valid(text) {
			return
		}
		before := bytes.Clone(text)
		p, err := Decode(text, nil)
		if !bytes.Equal(before, text) {
			t.Fatal("the text was changed")
		}
		var perr *ParseError
		if err != nil {
			if !errors.As(err, &perr) || perr.Offset < 0 || perr.Offset > len(text) {
				t.Fatalf("%v", err)
			}
			return
		}
		checkDecoded(t, &p)
		checkRoundTrip(t, &p)
	})
}

func checkDecoded(t *testing.T, p *Packet) {
	t.Helper()
	arguments := concat("[", string(p.Args), "]")
	switch {
	case p.Data != nil && !json.Valid(p.Data):
		t.Errorf("data %q", p.Data)
	case !json.Valid(arguments):
		t.Errorf("arguments %q", p.Args)
	case len(bytes.TrimSpace(p.Args)) != len(p.Args):
		t.Errorf("white space around %q", p.Args)
	case reserved(p.Name), !utf8.Valid(p.Name):
		t.Errorf("name %q", p.Name)
	case p.ID > MaxID, p.ID != 0 && !p.HasID:
		t.Errorf("id %d", p.ID)
	case p.binary() != (p.Attachments > 0), p.Attachments > defaultAttachments:
		t.Errorf("%d attachments", p.Attachments)
	case len(p.Namespace) > defaultNamespaceBytes, p.Namespace[0] != '/':
		t.Errorf("namespace %q", p.Namespace)
	case p.Empty && (p.Data != nil || p.Name != nil || p.Args != nil):
		t.Errorf("not empty: %+v", p)
	case p.binary() && checkPlaceholders(arguments, p.Attachments) != nil:
		t.Errorf("placeholders in %s", p.Args)
	}
}

func concat(parts ...string) []byte { return []byte(strings.Join(parts, "")) }

func checkRoundTrip(t *testing.T, p *Packet) {
	t.Helper()
	var text []byte
	out := OutEvent{
		Namespace: string(p.Namespace), Name: string(p.Name), Args: p.Args, Attachments: make([][]byte, p.Attachments), ID: p.ID, HasID: p.HasID,
	}
	switch {
	case p.Empty || p.NameIsNumber:
		return
	case p.Type == Event || p.Type == BinaryEvent:
		text = AppendEvent(nil, &out)
	case (p.Type == Ack || p.Type == BinaryAck) && p.HasID:
		text = AppendAck(nil, &out)
	default:
		return
	}
	again, err := Decode(text, nil)
	again.Data = p.Data // white space and escapes may differ
	if d := cmp.Diff(*p, again); err != nil || d != "" {
		t.Errorf("%s: %v %s", text, err, d)
	}
}

// FuzzJSON: the scanner agrees with encoding/json, which takes what JSON.parse takes.
func FuzzJSON(f *testing.F) {
	for _, text := range append(validJSON, invalidJSON...) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		want := json.Valid(text) && utf8.Valid(text)
		if got := acceptsJSON(text, deepest); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	})
}

// FuzzPlaceholders: the one-pass check agrees with a walk over the parsed tree. Only where a key comes twice may it be
// stricter: it also looks into the member that the later one hides.
func FuzzPlaceholders(f *testing.F) {
	for _, c := range loadVectors(f).Decode {
		if _, data, ok := strings.Cut(c.Text, "-["); ok {
			f.Add([]byte("["+data), 1)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, n int) {
		if !utf8.Valid(text) || n < 0 {
			return
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		var tree any
		err := checkPlaceholders(text, n)
		if !json.Valid(text) || d.Decode(&tree) != nil {
			if err == nil {
				t.Errorf("%q: no error", text)
			}
			return
		}
		want := legal(tree, n)
		if (err == nil) != want && (!want || !hasTwins(text)) {
			t.Errorf("%s of %d: %v, want %v", text, n, err, want)
		}
	})
}

// legal is the JavaScript parser's rule, plus: num is whole.
func legal(value any, n int) bool {
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			if !legal(item, n) {
				return false
			}
		}
	case map[string]any:
		if v["_placeholder"] == true {
			num, ok := v["num"].(json.Number)
			f, err := strconv.ParseFloat(string(num), 64)
			return ok && err == nil && len(num) <= 32 && f >= 0 && f < float64(n) && f <= 1<<30 && f == float64(int(f))
		}
		for _, item := range v {
			if !legal(item, n) {
				return false
			}
		}
	}
	return true
}

// hasTwins reports whether an object in text has a key twice.
func hasTwins(text []byte) bool {
	d := json.NewDecoder(bytes.NewReader(text))
	var keys []map[string]bool // nil for an array
	key := false
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		if name, ok := token.(string); ok && key {
			if keys[len(keys)-1][name] {
				return true
			}
			keys[len(keys)-1][name] = true
			key = false
			continue
		}
		switch token {
		case json.Delim('{'):
			keys = append(keys, map[string]bool{})
		case json.Delim('['):
			keys = append(keys, nil)
		case json.Delim('}'), json.Delim(']'):
			keys = keys[:len(keys)-1]
		}
		key = len(keys) > 0 && keys[len(keys)-1] != nil
	}
}

// FuzzString: strings are written and read as encoding/json does it.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", "a", "\"\\\x00\n", "é😀\u2028", "\xff\xed\xa0\x80", `\u0061\ud83d\ude00\ud800\n`, `\ud800\u0061`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		quoted := appendQuoted(nil, s)
		if err := json.Unmarshal(quoted, &back); err != nil || back != repaired(s) {
			t.Errorf("%q: wrote %s, read %q, %v", s, quoted, back, err)
		}
		if got := string(unescape(quoted[1 : len(quoted)-1])); got != back {
			t.Errorf("%s: read %q, want %q", quoted, got, back)
		}
		if text := concat(`"`, s, `"`); utf8.Valid(text) && json.Unmarshal(text, &back) == nil {
			if got := string(unescape([]byte(s))); got != back {
				t.Errorf("%s: read %q, want %q", s, got, back)
			}
		}
	})
}

// repaired replaces every byte that is no UTF-8 by U+FFFD.
func repaired(s string) string { return string([]rune(s)) }
