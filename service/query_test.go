package service

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// PROTOCOL 1.1 and 4.2: the query as URLSearchParams has it. The wanted values are those of node 20:
//
//	node -p 'Object.fromEntries(new URLSearchParams(process.argv[1]))' 'a=1&a=2'
func TestParseQuery(t *testing.T) {
	for raw, want := range map[string]map[string]string{
		"":                               {},
		"EIO=4&transport=polling&t=Nx-0": {"EIO": "4", "transport": "polling", "t": "Nx-0"},
		"a=1&b=2&a=3":                    {"a": "3", "b": "2"},
		"a":                              {"a": ""},
		"a=":                             {"a": ""},
		"=1":                             {"": "1"},
		"=":                              {"": ""},
		"&&a=1&&":                        {"a": "1"},
		"a=1=2":                          {"a": "1=2"},
		"a+b=c+d%2B":                     {"a b": "c d+"},
		"%61%3D=%26":                     {"a=": "&"},
		"a=%":                            {"a": "%"},
		"a=%4":                           {"a": "%4"},
		"a=%4g%zz%41":                    {"a": "%4g%zzA"},
		"a=%E2%82%AC&b=€":                {"a": "€", "b": "€"},
		"a=%ff":                          {"a": "\uFFFD"},
		"a=%f0%9f%98%80":                 {"a": "😀"},
		"a=1;b=2":                        {"a": "1;b=2"},
		"__proto__=1&constructor=2":      {"__proto__": "1", "constructor": "2"},
		"a[]=1&a[]=2":                    {"a[]": "2"},
	} {
		if diff := cmp.Diff(want, parseQuery(raw)); diff != "" {
			t.Errorf("%q: %s", raw, diff)
		}
	}
}

// Where Go's own parser accepts a query, the two agree.
func FuzzParseQuery(f *testing.F) {
	for _, raw := range []string{"EIO=4&transport=polling", "a=1&a=2", "a+%41=%", "&=&", "%ff=%E2%82", "a=1;b"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got := parseQuery(raw)
		parsed, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		want := map[string]string{}
		for name, values := range parsed {
			// Two names may be one as soon as they are UTF-8; then nothing is said about which comes last.
			if text(name) == name {
				want[name] = text(values[len(values)-1])
			}
		}
		onlyValid := cmpopts.IgnoreMapEntries(func(name string, _ string) bool { _, ok := want[name]; return !ok })
		if diff := cmp.Diff(want, got, onlyValid); diff != "" && len(got) == len(parsed) {
			t.Error(diff)
		}
	})
}

func TestHex(t *testing.T) {
	const digits = "0123456789abcdef"
	want := map[byte]int{}
	for i := range len(digits) {
		want[digits[i]] = i
		if digits[i] >= 'a' {
			want[digits[i]-0x20] = i
		}
	}
	for c := range 256 {
		n, ok := want[byte(c)]
		if got := hex(byte(c)); ok && got != n || !ok && got != -1 {
			t.Errorf("hex(%#x) = %d", c, got)
		}
	}
}
