package gateway

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// strictly reads query parameters as grpc-gateway does, but for those that are no field: they are refused, as they are in a body,
// instead of passed over.
type strictly struct{ runtime.DefaultQueryParser }

// Parse implements runtime.QueryParameterParser.
func (s strictly) Parse(m proto.Message, values url.Values, path *utilities.DoubleArray) error {
	for name := range values {
		if !isField(m.ProtoReflect().Descriptor(), strings.Split(name, ".")) {
			return fmt.Errorf("the parameter %q is no field of %s", name, m.ProtoReflect().Descriptor().Name())
		}
	}
	return s.DefaultQueryParser.Parse(m, values, path)
}

// isField reports whether the path leads to a field, each part of it in either spelling.
func isField(m protoreflect.MessageDescriptor, path []string) bool {
	if m == nil {
		return false
	}
	field := m.Fields().ByJSONName(path[0])
	if field == nil {
		field = m.Fields().ByName(protoreflect.Name(path[0]))
	}
	return field != nil && (len(path) == 1 || isField(field.Message(), path[1:]))
}
