package access

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"google.golang.org/protobuf/reflect/protoreflect"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// Bounds of a tokens file.
const (
	maxFileBytes   = 4 << 20
	maxEntries     = 10_000
	maxListEntries = 1000
	minTokenBytes  = 16
	maxTokenBytes  = 4096
	maxStreams     = 1_000_000
	maxRate        = 1e6 // also of a burst
	maxProblems    = 100 // that are told
)

var (
	nameShape  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	tokenShape = regexp.MustCompile(`^[!-~]+$`) // what a header carries, without blanks
)

// reading is a tokens file while it is read. It collects what is wrong with it, and never quotes what may be a token.
type reading struct {
	certificates bool            // whether connections have certificates
	names        map[string]bool // of the entries so far
	problems     []error
	table        table
}

// item is one entry while it is read.
type item struct {
	*reading
	line         int
	caller       Caller
	limits       limits
	expires      time.Time
	tokens       []tokenHash
	certificates []string
	seen         []string // keys
}

// parse reads a tokens file: a list of mappings with the keys that fields has. The error has everything that is wrong with
// it, each with its line.
func parse(text []byte, certificates bool) (*table, error) {
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("longer than %d bytes", maxFileBytes)
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, syntaxProblem(err)
	}
	r := &reading{
		certificates: certificates, names: map[string]bool{},
		table: table{byToken: map[tokenHash]*entry{}, byCertificate: map[string]*entry{}},
	}
	for _, doc := range file.Docs {
		if doc.Body != nil { // else empty, or comments only
			r.list(doc.Body)
		}
	}
	return &r.table, errors.Join(r.problems...)
}

// syntaxProblem leaves out the lines of the file that the parser's own text shows.
func syntaxProblem(err error) error {
	if problem, ok := errors.AsType[yaml.Error](err); ok && problem.GetToken() != nil {
		return fmt.Errorf("line %d: %s", problem.GetToken().Position.Line, problem.GetMessage())
	}
	return errors.New("not YAML")
}

func (r *reading) wrong(line int, format string, args ...any) {
	switch len(r.problems) {
	case maxProblems + 1:
	case maxProblems:
		r.problems = append(r.problems, errors.New("and more"))
	default:
		r.problems = append(r.problems, fmt.Errorf("line %d: "+format, append([]any{line}, args...)...))
	}
}

func (r *reading) list(body ast.Node) {
	list, ok := body.(*ast.SequenceNode)
	switch {
	case !ok:
		r.wrong(lineOf(body), "not a list of callers")
		return
	case len(list.Values) > maxEntries:
		r.wrong(lineOf(body), "more than %d callers", maxEntries)
		return
	}
	for _, node := range list.Values {
		r.entry(node)
	}
}

// entry reads one caller.
func (r *reading) entry(node ast.Node) {
	it := &item{reading: r, line: lineOf(node), limits: limits{rate: unset}}
	switch n := node.(type) {
	case *ast.MappingNode:
		for _, pair := range n.Values {
			it.pair(pair)
		}
	case *ast.MappingValueNode:
		it.pair(n)
	default:
		r.wrong(it.line, "not a caller, which is a mapping with a name")
		return
	}
	it.done()
}

// done checks the entry as a whole and takes it into the table.
func (it *item) done() {
	if !slices.Contains(it.seen, "name") {
		it.wrong(it.line, "name is missing")
	}
	recognised := 0
	for _, key := range []string{"token", "token_sha256", "certificate"} {
		if slices.Contains(it.seen, key) {
			recognised++
		}
	}
	if recognised != 1 {
		it.wrong(it.line, "one of token, token_sha256 and certificate is needed, and only one")
	}
	if it.caller.methods == nil {
		it.caller.methods = []string{everything}
	}
	if it.caller.namespaces == nil {
		it.caller.namespaces = []string{everything}
	}
	e := &entry{caller: &it.caller, limits: it.limits, expires: it.expires}
	for _, hash := range it.tokens {
		if it.table.byToken[hash] != nil {
			it.wrong(it.line, "the token is there twice")
		}
		it.table.byToken[hash] = e
	}
	for _, name := range it.certificates {
		if it.table.byCertificate[name] != nil {
			it.wrong(it.line, "certificate %q is there twice", name)
		}
		it.table.byCertificate[name] = e
	}
}

// pair reads one key of an entry.
func (it *item) pair(pair *ast.MappingValueNode) {
	key, line := pair.Key.GetToken().Value, lineOf(pair.Key)
	read, known := fields[key]
	switch {
	case !known:
		it.wrong(line, "no such key: %.64q", key)
		return
	case slices.Contains(it.seen, key):
		it.wrong(line, "%s is set twice", key)
		return
	}
	it.seen = append(it.seen, key)
	values, isList := texts(pair.Value)
	switch {
	case len(values) == 0 || len(values) > maxListEntries:
		it.wrong(line, "%s: neither a plain value nor a list of 1 to %d of them", key, maxListEntries)
		return
	case isList && !read.list:
		it.wrong(line, "%s: a list is not possible here", key)
		return
	}
	for _, text := range values {
		if problem := read.value(it, text); problem != "" {
			it.wrong(line, "%s %s", key, problem)
		}
	}
}

// field is how the values of a key are read.
type field struct {
	list  bool                                         // whether there may be several
	value func(it *item, text string) (problem string) // takes one; "": nothing is wrong with it
}

var fields = map[string]field{
	"name":         {value: (*item).setName},
	"token":        {list: true, value: (*item).addToken},
	"token_sha256": {list: true, value: (*item).addHash},
	"certificate":  {list: true, value: (*item).addCertificate},
	"methods":      {list: true, value: (*item).addMethod},
	"namespaces":   {list: true, value: (*item).addNamespace},
	"rate": {value: func(it *item, text string) string {
		return number(text, 0, maxRate, &it.limits.rate)
	}},
	"burst":       {value: func(it *item, text string) string { return whole(text, maxRate, &it.limits.burst) }},
	"max_streams": {value: func(it *item, text string) string { return whole(text, maxStreams, &it.limits.streams) }},
	"expires":     {value: (*item).setExpires},
}

func (it *item) setName(text string) string {
	if !nameShape.MatchString(text) {
		return "has 1 to 64 letters, digits, '.', '_' and '-'"
	}
	if it.names[text] {
		return fmt.Sprintf("%s is there twice", text)
	}
	it.names[text] = true
	it.caller.name = text
	return ""
}

func (it *item) addToken(text string) string {
	if len(text) < minTokenBytes || len(text) > maxTokenBytes || !tokenShape.MatchString(text) {
		return fmt.Sprintf("has %d to %d printable characters of ASCII, no blanks", minTokenBytes, maxTokenBytes)
	}
	it.tokens = append(it.tokens, sha256.Sum256([]byte(text)))
	return ""
}

func (it *item) addHash(text string) string {
	hash, err := hex.DecodeString(text)
	if err != nil || len(hash) != sha256.Size {
		return fmt.Sprintf("has %d hexadecimal digits", 2*sha256.Size)
	}
	it.tokens = append(it.tokens, tokenHash(hash))
	return ""
}

func (it *item) addCertificate(text string) string {
	switch {
	case !it.reading.certificates:
		return "needs client certificates, which the server does not ask for"
	case text == "":
		return "is empty"
	}
	it.certificates = append(it.certificates, text)
	return ""
}

func (it *item) addMethod(text string) string {
	if !slices.Contains(rights, text) {
		return fmt.Sprintf("%.64q is no method or service: write Emit, EmitService, EmitService/Emit, EmitService/*, Reflection or *", text)
	}
	it.caller.methods = append(it.caller.methods, text)
	return ""
}

func (it *item) addNamespace(text string) string {
	stem := strings.TrimSuffix(text, everything)
	if text != everything && !strings.HasPrefix(text, "/") || strings.Contains(stem, everything) {
		return fmt.Sprintf("%.64q does not begin with '/', or has '*' elsewhere than at its end", text)
	}
	it.caller.namespaces = append(it.caller.namespaces, text)
	return ""
}

func (it *item) setExpires(text string) string {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return "is a time such as 2027-01-31T00:00:00Z"
	}
	it.expires = at
	return ""
}

func number(text string, low, high float64, to *float64) string {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || n < low || n > high {
		return fmt.Sprintf("is a number from %v to %v", low, high)
	}
	*to = n
	return ""
}

func whole(text string, high int, to *int) string {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > high {
		return fmt.Sprintf("is a whole number from 1 to %d", high)
	}
	*to = n
	return ""
}

// rights is everything that `methods` may name.
var rights = func() []string {
	all := []string{everything, reflectionRight}
	for _, file := range []protoreflect.FileDescriptor{
		realtimev1.File_realtime_v1_emit_service_proto,
		realtimev1.File_realtime_v1_room_service_proto,
		realtimev1.File_realtime_v1_socket_service_proto,
		realtimev1.File_realtime_v1_event_service_proto,
		realtimev1.File_realtime_v1_admission_service_proto,
		realtimev1.File_realtime_v1_node_service_proto,
	} {
		service := file.Services().Get(0)
		name := string(service.Name())
		all = append(all, name, name+"/*")
		for i := range service.Methods().Len() {
			method := string(service.Methods().Get(i).Name())
			all = append(all, method, name+"/"+method)
		}
	}
	return all
}()

func lineOf(n ast.Node) int { return n.GetToken().Position.Line }

// texts returns the scalars of a node, as they are written; none if something else is among them.
func texts(n ast.Node) (values []string, isList bool) {
	list, isList := n.(*ast.SequenceNode)
	if !isList {
		list = &ast.SequenceNode{Values: []ast.Node{n}}
	}
	for _, value := range list.Values {
		switch v := value.(type) {
		case *ast.StringNode:
			values = append(values, v.Value)
		case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
			values = append(values, v.GetToken().Value)
		default:
			return nil, isList
		}
	}
	return values, isList
}
