package service

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// documented is a row of the first table of docs/errors.md.
type documented struct {
	code, reason string
	retry        bool
}

// errorsDoc returns the text and the rows.
func errorsDoc(t *testing.T) (text string, rows []documented) {
	t.Helper()
	b, err := os.ReadFile("../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| ([A-Z_]+) \| ([A-Z_]*) ?\| .* \| (yes|no) \|$`)
	for _, m := range row.FindAllStringSubmatch(string(b), -1) {
		rows = append(rows, documented{m[1], m[2], m[3] == "yes"})
	}
	return string(b), rows
}

// codeName is a code as the contract and the document write it.
func codeName(c codes.Code) string {
	if c == codes.Canceled {
		return "CANCELLED"
	}
	return strings.ToUpper(regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(c.String(), "${1}_$2"))
}

// Every status that an error becomes is documented, with whether it is worth another try, and nothing else is.
func TestErrorsAreDocumented(t *testing.T) {
	_, rows := errorsDoc(t)
	listed := map[documented]bool{}
	for _, r := range rows {
		if listed[r] {
			t.Errorf("%s %s is there twice", r.code, r.reason)
		}
		listed[r] = true
	}
	for _, r := range statusRows {
		want := documented{codeName(r.code), r.reason, retries(statusError(r.err))}
		if !listed[want] {
			t.Errorf("%+v of %q is not documented", want, r.err)
		}
	}
}

func retries(err error) bool {
	for _, detail := range status.Convert(err).Details() {
		if _, ok := detail.(*errdetails.RetryInfo); ok {
			return true
		}
	}
	return false
}

// Every reason of the contract is documented once, with the code and the promise of a RetryInfo that its comment has.
func TestReasonsAreDocumented(t *testing.T) {
	_, rows := errorsDoc(t)
	byReason := map[string]documented{}
	for _, r := range rows {
		if r.reason != "" {
			byReason[r.reason] = r
		}
	}
	schema, err := os.ReadFile("../proto/realtime/v1/error_reason.proto")
	if err != nil {
		t.Fatal(err)
	}
	for number, name := range realtimev1.ErrorReason_name {
		if number == 0 {
			continue
		}
		m := regexp.MustCompile(`(?m)^  // ([A-Z_]+): ((?:[^\n]*\n  //)*[^\n]*)\n  ` + name + ` = `).FindStringSubmatch(string(schema))
		if m == nil {
			t.Errorf("the comment of %s does not begin with its code", name)
			continue
		}
		reason := strings.TrimPrefix(name, "ERROR_REASON_")
		want := documented{m[1], reason, m[1] == "UNAVAILABLE" || strings.Contains(m[2], "With a RetryInfo")}
		if got := byReason[reason]; got != want {
			t.Errorf("documented is %+v, the contract says %+v", got, want)
		}
		delete(byReason, reason)
	}
	for reason := range byReason {
		t.Errorf("the contract has no reason %s", reason)
	}
}

// What connect_error says in the server's own words is documented: the constants of this package, and of those below, that
// begin with Message.
func TestMessagesAreDocumented(t *testing.T) {
	text, _ := errorsDoc(t)
	found := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		for _, message := range messages(file) {
			found++
			if !strings.Contains(text, "\n| `"+message+"` | ") {
				t.Errorf("%s: %q is not documented", path, message)
			}
		}
		return nil
	})
	if err != nil || found < 5 {
		t.Errorf("%d messages, %v", found, err)
	}
}

// messages returns the values of a file's constants that begin with Message.
func messages(file *ast.File) (values []string) {
	for _, decl := range file.Decls {
		constants, ok := decl.(*ast.GenDecl)
		if !ok || constants.Tok != token.CONST {
			continue
		}
		for _, spec := range constants.Specs {
			value := spec.(*ast.ValueSpec)
			for i, name := range value.Names {
				if !strings.HasPrefix(name.Name, "Message") || i >= len(value.Values) {
					continue
				}
				if literal, ok := value.Values[i].(*ast.BasicLit); ok && literal.Kind == token.STRING {
					if text, err := strconv.Unquote(literal.Value); err == nil {
						values = append(values, text)
					}
				}
			}
		}
	}
	return values
}
