package adminui

import "net/url"

// queryOf is a raw query as the UI shows it: the last value of each name.
func queryOf(raw string) map[string]string {
	values, _ := url.ParseQuery(raw) // what cannot be read is left out
	out := map[string]string{}
	for name, list := range values {
		out[name] = list[len(list)-1]
	}
	return out
}
