package gateway

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/protobuf/proto"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// Whatever a query or a body is, it makes a request or an error that names a field and can be told.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		"namespace=/&room=a&rooms=b&exceptSocket=c", "target.rooms=a&target.except_rooms=b", "pageSize=7", "kind=1&eventName=a", "a[b]=c&target[x]=y",
		`{"target":{"rooms":["a"]},"namespace":"/"}`, `{"kinds":["EVENT_KIND_LEFT",4],"eventNames":["é"]}`, "\xff=\xff", "=", "%3A+=", "target.target.target=1",
	} {
		f.Add(seed)
	}
	parser := &queryParser{}
	f.Fuzz(func(t *testing.T, text string) {
		values, err := url.ParseQuery(text)
		for _, m := range []proto.Message{
			&realtimev1.ListSocketsRequest{}, &realtimev1.GetSocketRequest{}, &realtimev1.ListRoomsRequest{}, &realtimev1.WatchRequest{}, &realtimev1.EmitRequest{},
		} {
			if err == nil {
				checkError(t, parser.Parse(m, values, utilities.NewDoubleArray(nil)))
			}
			checkError(t, codec{}.Unmarshal([]byte(text), m))
		}
	})
}

func checkError(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if field, _, found := strings.Cut(err.Error(), ": "); !found || field == "" || !utf8.ValidString(err.Error()) || len(err.Error()) > 3*maxErrorText {
		t.Errorf("%q", err.Error())
	}
}
