package cli

import (
	"bytes"
	"encoding/json"
)

// compact is a JSON text without spaces.
func compact(text []byte) string {
	var out bytes.Buffer
	if json.Compact(&out, text) != nil {
		return string(text)
	}
	return out.String()
}
