package gateway

import (
	"errors"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// setQueryParser makes queryParser that of grpc-gateway, which has one for the whole process.
var setQueryParser = sync.OnceFunc(func() { runtime.NewServeMux(runtime.SetQueryParameterParser(&queryParser{})) })

// queryParser reads a query into a request. A parameter is a field, named as in JSON or as in the contract; a list is one parameter
// for each entry, whose name may be in the singular (room=a&room=b). The fields of a request's target stand for themselves, and a
// query without any selects what the empty target does. A parameter that is no field is refused: an exception that was mistyped must not be
// passed over.
type queryParser struct{ fields runtime.DefaultQueryParser }

// targetField is the field of many requests whose fields a query names directly.
const targetField = "target"

// Parse implements runtime.QueryParameterParser. Its errors begin with the parameter and ": ".
func (p *queryParser) Parse(msg proto.Message, values url.Values, filter *utilities.DoubleArray) error {
	m := msg.ProtoReflect()
	if target := m.Descriptor().Fields().ByName(targetField); target != nil && target.Message() != nil {
		m.Mutable(target)
	}
	known := make(url.Values, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		path, ok := pathOf(m.Descriptor(), name)
		if !ok {
			if !told.MatchString(name) {
				name = "query"
			}
			return errors.New(name + ": there is no such field")
		}
		known[path] = append(known[path], values[name]...)
	}
	for _, path := range slices.Sorted(maps.Keys(known)) {
		if err := p.fields.Parse(msg, url.Values{path: known[path]}, filter); err != nil {
			return errors.New(path + ": " + clip(fieldPrefix.ReplaceAllString(err.Error(), "")))
		}
	}
	return nil
}

// told is what names look like that an answer repeats.
var told = regexp.MustCompile(`^[A-Za-z0-9_.\[\]-]{1,64}$`)

// fieldPrefix is what begins the library's errors, which have the field before it already.
var fieldPrefix = regexp.MustCompile(`^parsing (field|list) "[^"]*": (strconv\.[A-Za-z]+: )?`)

// pathOf returns the field that a parameter names, with dots between names.
func pathOf(d protoreflect.MessageDescriptor, name string) (string, bool) {
	first, rest, nested := strings.Cut(name, ".")
	if field := fieldOf(d, first); field != nil {
		if !nested {
			return string(field.Name()), field.Message() == nil || !field.IsList()
		}
		if field.Message() == nil || field.IsList() || field.IsMap() {
			return "", false
		}
		path, ok := pathOf(field.Message(), rest)
		return string(field.Name()) + "." + path, ok
	}
	if target := d.Fields().ByName(targetField); target != nil && target.Message() != nil {
		path, ok := pathOf(target.Message(), name)
		return targetField + "." + path, ok
	}
	return "", false
}

// fieldOf finds a field by its name, or a list by the name of one of its entries; nil if there is none.
func fieldOf(d protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	for _, try := range []string{name, name + "s"} {
		field := d.Fields().ByTextName(try)
		if field == nil {
			field = d.Fields().ByJSONName(try)
		}
		if field != nil && (try == name || field.IsList()) {
			return field
		}
	}
	return nil
}

// clip bounds what an answer says of a request.
func clip(text string) string {
	if len(text) > maxErrorText {
		text = text[:maxErrorText]
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
