package gateway

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// codec is proto JSON: names in lowerCamel, or as in the contract when they come; bytes as base64. Numbers, texts and lists are always written, what is
// missing is not. It is strict: a field that does not exist is refused, and so is what follows the object. It has no state.
type codec struct{}

var (
	written = protojson.MarshalOptions{EmitDefaultValues: true}
	read    = protojson.UnmarshalOptions{}
)

// linesType is the media type of a stream: a JSON object on each line.
const linesType = "application/x-ndjson"

// ContentType implements runtime.Marshaler.
func (codec) ContentType(any) string { return "application/json" }

// StreamContentType implements runtime.StreamContentType.
func (codec) StreamContentType(any) string { return linesType }

// Marshal implements runtime.Marshaler, for a message and for the one entry that makes up a line of a stream.
func (codec) Marshal(v any) ([]byte, error) {
	switch v := v.(type) {
	case proto.Message: // alone on its line, for those who read it in a terminal
		text, err := written.Marshal(v)
		return append(text, '\n'), err
	case map[string]any: // {"result": message}
		for key, value := range v {
			if m, ok := value.(proto.Message); ok && len(v) == 1 {
				return line(key, m)
			}
		}
	case map[string]proto.Message: // {"error": status}
		for key, m := range v {
			if len(v) == 1 {
				return line(key, m)
			}
		}
	}
	return nil, fmt.Errorf("gateway: %T is no message", v)
}

func line(key string, m proto.Message) ([]byte, error) {
	text, err := written.MarshalAppend([]byte(`{"`+key+`":`), m)
	if err != nil {
		return nil, err
	}
	return append(text, '}'), nil
}

// Unmarshal implements runtime.Marshaler. Nothing at all is the empty message. The error begins with the field, or "body", and ": ".
func (codec) Unmarshal(data []byte, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("gateway: %T is no message", v)
	}
	if len(data) == 0 {
		return nil
	}
	if err := read.Unmarshal(data, m); err != nil {
		return bodyError(err)
	}
	return nil
}

var unknownField = regexp.MustCompile(`unknown field "([A-Za-z0-9_]{1,64})"`)

func bodyError(err error) error {
	// The library's texts begin with "proto:" and a blank of one kind or another, so that nobody compares them.
	text := strings.TrimLeft(strings.TrimPrefix(err.Error(), "proto:"), " \u00a0")
	if found := unknownField.FindStringSubmatch(text); found != nil {
		return errors.New(found[1] + ": there is no such field")
	}
	return errors.New("body: " + clip(text))
}

// maxErrorText bounds what is said about a body, which may quote it.
const maxErrorText = 256

// NewDecoder implements runtime.Marshaler. What it returns reads all of r.
func (c codec) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		return c.Unmarshal(data, v)
	})
}

// NewEncoder implements runtime.Marshaler.
func (c codec) NewEncoder(w io.Writer) runtime.Encoder {
	return runtime.EncoderFunc(func(v any) error {
		data, err := c.Marshal(v)
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
}
