package access

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const secret = "a-token-of-thirty-two-characters"

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func TestParse(t *testing.T) {
	parsed, err := parse([]byte(`
# who may call
- name: chat
  token: `+secret+`
- name: ops.2_b-C
  token_sha256: [`+hashOf("the-first-of-two")+`, '`+strings.ToUpper(hashOf("the-other-of-two"))+`']
  methods: [Emit, EmitService/*, RoomService, EventService/Watch, Reflection, "*"]
  namespaces: ["/chat", /room-*]
  rate: 2.5
  burst: 10
  max_streams: 3
  expires: 2027-01-31T00:00:00Z
- { name: free, token: 1234567890123456, rate: 0, methods: Emit, namespaces: "*" }
- { name: mesh, certificate: [spiffe://a/b, chat.example.com] }
`), true)
	if err != nil {
		t.Fatal(err)
	}
	found := func(token string) *entry { return parsed.byToken[sha256.Sum256([]byte(token))] }
	all := []string{"*"}
	for name, c := range map[string]struct {
		got  *entry
		want entry
	}{
		"plain": {found(secret), entry{caller: &Caller{"chat", all, all}, limits: limits{rate: unset}}},
		"all keys": {found("the-other-of-two"), entry{
			caller: &Caller{
				"ops.2_b-C", []string{"Emit", "EmitService/*", "RoomService", "EventService/Watch", "Reflection", "*"},
				[]string{"/chat", "/room-*"},
			},
			limits:  limits{rate: 2.5, burst: 10, streams: 3},
			expires: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC),
		}},
		"number":      {found("1234567890123456"), entry{caller: &Caller{"free", []string{"Emit"}, all}}},
		"certificate": {parsed.byCertificate["chat.example.com"], entry{caller: &Caller{"mesh", all, all}, limits: limits{rate: unset}}},
	} {
		if c.got == nil || !reflect.DeepEqual(*c.got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, c.got, c.want)
		}
	}
	if found("the-first-of-two") != found("the-other-of-two") || parsed.byCertificate["spiffe://a/b"] == nil {
		t.Error("not all tokens or names count")
	}
	if len(parsed.byToken) != 4 || len(parsed.byCertificate) != 2 {
		t.Errorf("%d tokens, %d certificates", len(parsed.byToken), len(parsed.byCertificate))
	}
}

// Everything that is wrong is told at once, and nothing that may be a secret.
func TestParseProblems(t *testing.T) {
	const ok = ", token: " + secret
	for name, c := range map[string]struct{ text, want string }{
		"no list":            {"name: a", "line 1: not a list of callers"},
		"no mapping":         {"- a\n- [b]", "line 1: not a caller, which is a mapping with a name\nline 2: not a caller, which is a mapping with a name"},
		"nothing":            {"- {}", "line 1: name is missing\nline 1: one of token, token_sha256 and certificate is needed, and only one"},
		"unknown key":        {"- {name: a" + ok + ", rights: x}", "line 1: no such key: \"rights\""},
		"key that is a list": {"- {name: [a]" + ok + "}", "line 1: name: a list is not possible here"},
		"name":               {"- {name: a b" + ok + "}", "line 1: name has 1 to 64 letters, digits, '.', '_' and '-'"},
		"name, long":         {"- {name: " + strings.Repeat("x", 65) + ok + "}", "line 1: name has 1 to 64 letters, digits, '.', '_' and '-'"},
		"name twice":         {"- {name: a" + ok + "}\n- {name: a, token: 0123456789abcdef}", "line 2: name a is there twice"},
		"two ways":           {"- {name: a" + ok + ", certificate: x}", "line 1: one of token, token_sha256 and certificate is needed, and only one"},
		"token twice":        {"- {name: a" + ok + "}\n- {name: b, token_sha256: " + hashOf(secret) + "}", "line 2: the token is there twice"},
		"certificate twice":  {"- {name: a, certificate: x}\n- {name: b, certificate: x}", `line 2: certificate "x" is there twice`},
		"certificate, empty": {"- {name: a, certificate: ''}", "line 1: certificate is empty"},
		"token, short":       {"- {name: a, token: short}", "line 1: token has 16 to 4096 printable characters of ASCII, no blanks"},
		"token, blank":       {"- {name: a, token: 'a token of thirty-two characters'}", "line 1: token has 16 to 4096 printable characters of ASCII, no blanks"},
		"token, null":        {"- {name: a, token: }", "line 1: token: neither a plain value nor a list of 1 to 1000 of them"},
		"token, nested":      {"- {name: a, token: {b: " + secret + "}}", "line 1: token: neither a plain value nor a list of 1 to 1000 of them"},
		"hash":               {"- {name: a, token_sha256: abcd}", "line 1: token_sha256 has 64 hexadecimal digits"},
		"hash, token":        {"- {name: a, token_sha256: " + secret + secret + "}", "line 1: token_sha256 has 64 hexadecimal digits"},
		"methods, none":      {"- {name: a" + ok + ", methods: []}", "line 1: methods: neither a plain value nor a list of 1 to 1000 of them"},
		"method":             {"- {name: a" + ok + ", methods: [Emmit]}", `line 1: methods "Emmit" is no method or service: write Emit, EmitService, EmitService/Emit, EmitService/*, Reflection or *`},
		"namespace":          {"- {name: a" + ok + ", namespaces: [chat, /a*b]}", "line 1: namespaces \"chat\" does not begin with '/', or has '*' elsewhere than at its end\nline 1: namespaces \"/a*b\" does not begin with '/', or has '*' elsewhere than at its end"},
		"numbers": {
			"- {name: a" + ok + ", rate: -1, burst: 0, max_streams: many}",
			"line 1: rate is a number from 0 to 1e+06\nline 1: burst is a whole number from 1 to 1000000\nline 1: max_streams is a whole number from 1 to 1000000",
		},
		"rate, no number": {"- {name: a" + ok + ", rate: .nan}", "line 1: rate is a number from 0 to 1e+06"},
		"expires":         {"- {name: a" + ok + ", expires: 2027-01-31}", "line 1: expires is a time such as 2027-01-31T00:00:00Z"},
		"in several places": {
			"- name: a\n  methods: [X]\n  token: short\n- b: c\n",
			"line 2: methods \"X\" is no method or service: write Emit, EmitService, EmitService/Emit, EmitService/*, Reflection or *\n" +
				"line 3: token has 16 to 4096 printable characters of ASCII, no blanks\nline 4: no such key: \"b\"\nline 4: name is missing\n" +
				"line 4: one of token, token_sha256 and certificate is needed, and only one",
		},
		"anchors": {"- &a {name: a" + ok + "}\n- *a", "line 1: not a caller, which is a mapping with a name\nline 2: not a caller, which is a mapping with a name"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse([]byte(c.text), true)
			if err == nil {
				t.Fatal("accepted")
			}
			if got := err.Error(); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

// What the YAML parser says of a file that is no YAML is its own affair, but for the lines that it would show.
func TestParseShowsNoSecrets(t *testing.T) {
	for _, text := range []string{
		"- name: a\n  token: \"" + secret,
		"- name: a\n  token: " + secret + "\n token: x\n",
		"- {name: a, token: " + secret,
		"- name: a\n  token: " + secret + "\n  token: " + secret + "\n",
		"- name: a\n\ttoken: " + secret + "\n",
		"- name: a\n  " + secret + "\n",
		"- name: a\n  token: [" + secret + ", x: y]\n",
		"- {name: a, token: short, methods: " + secret[:10] + "}",
	} {
		_, err := parse([]byte(text), false)
		if err == nil || strings.Contains(err.Error(), secret) || !strings.HasPrefix(err.Error(), "line ") && err.Error() != "not YAML" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestParseBounds(t *testing.T) {
	if _, err := parse(make([]byte, maxFileBytes+1), false); err == nil || !strings.HasPrefix(err.Error(), "longer than 4194304 bytes") {
		t.Errorf("%v", err)
	}
	var b strings.Builder
	for i := range maxEntries + 1 {
		fmt.Fprintf(&b, "- {name: n%d, token: 0123456789abcdef%d}\n", i, i)
	}
	if _, err := parse([]byte(b.String()), false); err == nil || err.Error() != "line 1: more than 10000 callers" {
		t.Errorf("%v", err)
	}
	_, err := parse([]byte(strings.Repeat("- 1\n", maxProblems+50)), false)
	if lines := strings.Split(err.Error(), "\n"); len(lines) != maxProblems+1 || lines[maxProblems] != "and more" {
		t.Errorf("%d lines, the last of them %q", len(lines), lines[len(lines)-1])
	}
	names := "[" + strings.Repeat("/a, ", maxListEntries) + "/a]"
	if _, err := parse([]byte("- {name: a, token: "+secret+", namespaces: "+names+"}"), false); err == nil {
		t.Error("a long list is accepted")
	}
}

// A certificate that would never be asked for is a mistake.
func TestParseCertificateWithoutTLS(t *testing.T) {
	_, err := parse([]byte("- {name: a, certificate: x}"), false)
	if err == nil || err.Error() != "line 1: certificate needs client certificates, which the server does not ask for" {
		t.Errorf("%v", err)
	}
}

// A file without callers is one that lets nobody in.
func TestParseEmpty(t *testing.T) {
	for _, text := range []string{"", "# nobody\n", "[]\n", "---\n"} {
		parsed, err := parse([]byte(text), false)
		if err != nil || parsed == nil || len(parsed.byToken) != 0 {
			t.Errorf("%q: %v, %v", text, parsed, err)
		}
	}
}

func TestRightsNameWhatThereIs(t *testing.T) {
	for _, want := range []string{"*", "Reflection", "EmitService", "EmitService/*", "Consume", "EventService/Consume", "AdmissionService/Admit", "UpdateSockets"} {
		if !slices.Contains(rights, want) {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestIncludes(t *testing.T) {
	for _, c := range []struct {
		name       string
		now, then  Caller
		wantBefore bool
	}{
		{"the same", Caller{"", []string{"Emit"}, []string{"/a"}}, Caller{"", []string{"Emit"}, []string{"/a"}}, true},
		{"more", Caller{"", []string{"*"}, []string{"/a", "/b*"}}, Caller{"", []string{"Emit"}, []string{"/bc*", "/a"}}, true},
		{"fewer methods", Caller{"", []string{"Emit"}, []string{"*"}}, Caller{"", []string{"Emit", "Watch"}, []string{"*"}}, false},
		{"fewer namespaces", Caller{"", []string{"*"}, []string{"/a"}}, Caller{"", []string{"*"}, []string{"/a*"}}, false},
		{"no more all", Caller{"", []string{"*"}, []string{"/*", "/a"}}, Caller{"", []string{"*"}, []string{"*"}}, false},
	} {
		if got := c.now.includes(&c.then); got != c.wantBefore {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("- {name: a, token: " + secret + ", methods: [Emit], rate: 1, expires: 2027-01-31T00:00:00Z}"))
	f.Add([]byte("- name: a\n  certificate: [x, y]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		parsed, err := parse(text, true)
		if err != nil {
			return
		}
		for _, e := range parsed.byToken {
			if !nameShape.MatchString(e.caller.name) || len(e.caller.methods) == 0 || len(e.caller.namespaces) == 0 {
				t.Errorf("%+v", e)
			}
		}
	})
}

// The example of the docs is one.
func TestParseTheExample(t *testing.T) {
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "```yaml\n")
	example, _, found := strings.Cut(example, "```")
	parsed, err := parse([]byte(example), true)
	if !found || err != nil || len(parsed.byToken) != 2 || len(parsed.byCertificate) != 1 {
		t.Errorf("%v, %+v", err, parsed)
	}
}
