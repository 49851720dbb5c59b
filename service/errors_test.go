package service

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service/access"
	"github.com/realtime-svc/realtime-svc/service/feed"
)

// What each error becomes; "" is no reason.
var statusRows = []struct {
	err    error
	code   codes.Code
	reason string
	fields []string
	text   string
}{
	{rooms.ErrSocketGone, codes.NotFound, "SOCKET_NOT_FOUND", nil, "the socket is gone"},
	{rooms.ErrAckUnknown, codes.FailedPrecondition, "ACK_UNKNOWN", nil, "no such acknowledgement is wanted"},
	{errNodeNotFound, codes.NotFound, "NODE_NOT_FOUND", nil, "the token was issued by a node that this one cannot reach"},
	{errShuttingDown, codes.Unavailable, "SHUTTING_DOWN", nil, "the server is shutting down"},
	{feed.ErrShutdown, codes.Unavailable, "SHUTTING_DOWN", nil, "the server is shutting down"},
	{feed.ErrMismatch, codes.FailedPrecondition, "GROUP_MISMATCH", nil, "the members of the group want other events"},
	{feed.ErrTooMany, codes.ResourceExhausted, "TOO_MANY_GROUPS", nil, "too many groups, or members of the group"},
	{errIdempotencyConflict, codes.FailedPrecondition, "IDEMPOTENCY_CONFLICT", nil, "the idempotency key was used for another request"},
	{access.ErrToken, codes.Unauthenticated, "TOKEN_INVALID", nil, "the call has no token that is valid"},
	{access.ErrStreams, codes.ResourceExhausted, "TOO_MANY_STREAMS", nil, "the caller has as many streams open as it may"},
	{&access.MethodError{Method: "/a.B/C"}, codes.PermissionDenied, "METHOD_NOT_ALLOWED", nil, "the caller may not call a.B/C"},
	{&access.RateError{Retry: 1}, codes.ResourceExhausted, "RATE_LIMITED", nil, "the caller makes more calls than it may"},
	{&access.NamespaceError{Namespace: "/x"}, codes.PermissionDenied, "NAMESPACE_NOT_ALLOWED", nil, `the caller may not use namespace "/x"`},
	{newNamespaceError("/x"), codes.NotFound, "NAMESPACE_NOT_FOUND", nil, `the server is not configured with namespace "/x"`},
	{
		&requestError{violations: []*errdetails.BadRequest_FieldViolation{{Field: "a", Description: "is bad"}, {Field: "b[1]", Description: "is worse"}}},
		codes.InvalidArgument, "", []string{"a", "b[1]"}, "a: is bad; b[1]: is worse",
	},
	{context.Canceled, codes.Canceled, "", nil, "context canceled"},
	{context.DeadlineExceeded, codes.DeadlineExceeded, "", nil, "context deadline exceeded"},
	{errors.New("else"), codes.Internal, "", nil, "else"},
}

func TestStatusError(t *testing.T) {
	for _, row := range statusRows {
		wantStatus(t, statusError(row.err), row.code, row.reason, row.fields...)
		if got := status.Convert(statusError(row.err)).Message(); got != row.text {
			t.Errorf("message %q, want %q", got, row.text)
		}
		wantStatus(t, statusError(fmt.Errorf("wrapped: %w", row.err)), row.code, row.reason, row.fields...)
	}
	if err := statusError(nil); err != nil {
		t.Errorf("no error became %v", err)
	}
	ready := status.Error(codes.Aborted, "as it is")
	if got := statusError(ready); !errors.Is(got, ready) {
		t.Errorf("a status became %v", got)
	}
}

func TestNamespaceErrorNamesTheNamespace(t *testing.T) {
	for name, want := range map[string]string{
		"/x":                             "/x",
		"/" + strings.Repeat("x", 1<<20): "/" + strings.Repeat("x", maxQuotedBytes-1),
		"/" + strings.Repeat("ä", 1000):  "/" + strings.Repeat("ä", maxQuotedBytes/2-1), // not half of one
	} {
		var got string
		for _, detail := range status.Convert(statusError(newNamespaceError(name))).Details() {
			if info, ok := detail.(*errdetails.ErrorInfo); ok {
				got = info.GetMetadata()["namespace"]
			}
		}
		if got != want {
			t.Errorf("%.20s: the metadata has %q", name, got)
		}
	}
}

// The status of a request that is wrong everywhere fits into 8 KiB of trailers.
func TestStatusOfManyViolationsIsSmall(t *testing.T) {
	limits := Config{}.withDefaults().Limits
	c := checker{limits: &limits}
	c.names("target.except_rooms", make([]string, 1000))
	if len(c.violations) != maxViolations {
		t.Errorf("%d violations", len(c.violations))
	}
	st := status.Convert(statusError(c.err()))
	if text := st.Message(); !strings.Contains(text, "except_rooms[3]") || !strings.HasSuffix(text, "; and 28 more") {
		t.Errorf("message %q", text)
	}
	if n := proto.Size(st.Proto())*4/3 + len(st.Message()); n > 6<<10 {
		t.Errorf("%d bytes", n)
	}
}

// Every sentinel that the services can meet has a row in statusRows, and every reason of the schema is the reason of
// one.
func TestStatusRowsAreComplete(t *testing.T) {
	listed := map[string]bool{}
	for _, row := range statusRows {
		listed[row.err.Error()] = true
	}
	for _, row := range statuses {
		if !listed[row.err.Error()] {
			t.Errorf("%q is missing", row.err)
		}
	}
	reasons := map[string]bool{}
	for _, row := range statusRows {
		reasons[row.reason] = true
	}
	for number, name := range realtimev1.ErrorReason_name {
		if number != 0 && !reasons[strings.TrimPrefix(name, "ERROR_REASON_")] {
			t.Errorf("nothing has the reason %s", name)
		}
	}
	// Those that never reach statusError.
	internal := map[string]string{
		"ErrSocketID":          "becomes a violation",
		"ErrDuplicate":         "the edge's",
		"ErrNoNamespace":       "the edge's",
		"ErrTooManyNamespaces": "the edge's",
		"ErrNamespaceName":     "of configuration",
		"ErrNamespacePattern":  "of configuration",
		"ErrMaxDynamic":        "of configuration",
		"errToken":             "becomes a violation",
		"ErrLeft":              "ends a stream with OK",
		"errJSON":              "becomes a violation",
		"errArray":             "becomes a violation",
		"errDepth":             "becomes a violation",
		"errNone":              "ErrToken for the log",
		"errScheme":            "ErrToken for the log",
		"errUnknown":           "ErrToken for the log",
		"errNoEntry":           "ErrToken for the log",
		"errExpired":           "ErrToken for the log",
		"errTaken":             "ErrToken for the log",
	}
	known := map[string]bool{
		"ErrSocketGone": true, "ErrAckUnknown": true, "errNodeNotFound": true, "errShuttingDown": true, "ErrShutdown": true,
		"ErrToken": true, "ErrStreams": true, "ErrMismatch": true, "ErrTooMany": true, "errIdempotencyConflict": true,
	}
	for _, dir := range []string{"../rooms", "feed", "access", "."} {
		for _, name := range sentinels(t, dir) {
			if internal[name] == "" && !known[name] {
				t.Errorf("%s/%s has no row: what status is it?", dir, name)
			}
		}
	}
}

// sentinels returns the names of the error variables of a package.
func sentinels(t *testing.T, dir string) (names []string) {
	t.Helper()
	notTest := func(f fs.DirEntry) bool {
		return strings.HasSuffix(f.Name(), ".go") && !strings.HasSuffix(f.Name(), "_test.go")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !notTest(entry) {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), dir+"/"+entry.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			vars, ok := decl.(*ast.GenDecl)
			if !ok || vars.Tok != token.VAR {
				continue
			}
			for _, spec := range vars.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if strings.HasPrefix(strings.ToLower(name.Name), "err") {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}
