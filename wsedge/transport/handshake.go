package transport

import (
	"encoding/binary"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/realtime-svc/realtime-svc/wsedge/engineio"
)

// Handshake is what a client said in the first request of its session. It is
// frozen then: an upgrade does not change it (PROTOCOL 4.2).
type Handshake struct {
	// Address is the client's IP address, without the port: the peer's, or whom
	// Config.ProxyProtocol and Config.TrustedProxies let speak for itself.
	Address string
	// URL is the request target as it came: path and raw query.
	URL string
	// Headers holds the headers that Config.KeepHeaders names and the request
	// had, in the order of KeepHeaders, or by name if that is "*"; several values
	// are joined by ", ".
	Headers []Header
	// Secure tells that the request came over TLS, to the server or to one of
	// Config.TrustedProxies.
	Secure bool
	// CrossDomain tells that the request had an Origin header.
	CrossDomain bool
	// Issued is when the session began, to the millisecond.
	Issued time.Time

	counted bool // limits.begin has taken a place for the session
}

// Header is one request header; the name is in lower case.
type Header struct{ Name, Value string }

// Query returns the raw query of the first request, without the question mark.
func (h *Handshake) Query() string {
	_, query, _ := strings.Cut(h.URL, "?")
	return query
}

const (
	flagSecure = 1 << iota
	flagCrossDomain
	flagCounted
)

// encodedHandshake is a Handshake in one allocation, as it is kept for the life
// of a session: flags, milliseconds since 1970, then the strings, each after
// its length; headers as name and value in turn.
type encodedHandshake string

func (h *Handshake) encode() encodedHandshake {
	size := 1 + binary.MaxVarintLen64 + 2*binary.MaxVarintLen32 + len(h.Address) + len(h.URL)
	for _, f := range h.Headers {
		size += 2*binary.MaxVarintLen32 + len(f.Name) + len(f.Value)
	}
	b := make([]byte, 0, size)
	var flags byte
	if h.Secure {
		flags |= flagSecure
	}
	if h.CrossDomain {
		flags |= flagCrossDomain
	}
	if h.counted {
		flags |= flagCounted
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(h.Issued.UnixMilli()))
	put := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	put(h.Address)
	put(h.URL)
	for _, f := range h.Headers {
		put(f.Name)
		put(f.Value)
	}
	return encodedHandshake(b)
}

// decode returns the Handshake; its strings share the encoded block.
func (e encodedHandshake) decode() *Handshake {
	if e == "" {
		return &Handshake{}
	}
	rest := string(e[1:])
	number := func() uint64 {
		var n uint64
		for shift := 0; ; shift += 7 {
			c := rest[0]
			rest = rest[1:]
			n |= uint64(c&0x7f) << shift
			if c < 0x80 {
				return n
			}
		}
	}
	text := func() string {
		n := number()
		s := rest[:n]
		rest = rest[n:]
		return s
	}
	h := &Handshake{Secure: e[0]&flagSecure != 0, CrossDomain: e[0]&flagCrossDomain != 0}
	h.Issued = time.UnixMilli(int64(number()))
	h.Address, h.URL = text(), text()
	for rest != "" {
		h.Headers = append(h.Headers, Header{Name: text(), Value: text()})
	}
	return h
}

// Handshake returns what a session that begins with r would have as its Handshake
// and how it would begin: what HTTPConfig.Admit may want to know. more names
// headers, in lower case, that it has beside those of Config.KeepHeaders; a session
// does not keep them.
func (s *Server) Handshake(r *http.Request, more []string) (h *Handshake, transport string) {
	transport = parseQuery(r.URL.RawQuery).transport
	if r.Method == http.MethodConnect { // its URL says nothing
		transport = engineio.WebTransport.String()
	}
	keep := s.cfg.KeepHeaders
	for _, name := range more {
		if !slices.Contains(keep, name) && !slices.Contains(keep, everyHeader) {
			keep = append(slices.Clip(keep), name)
		}
	}
	return s.readHandshake(r, keep), transport
}

// handshakeOf takes the handshake from a request that net/http has read.
func (s *Server) handshakeOf(r *http.Request) *Handshake {
	return s.readHandshake(r, s.cfg.KeepHeaders)
}

func (s *Server) readHandshake(r *http.Request, keep []string) *Handshake {
	h := &Handshake{
		Address:     hostOf(r.RemoteAddr),
		URL:         r.RequestURI,
		Secure:      r.TLS != nil,
		CrossDomain: r.Header.Get("Origin") != "",
		Issued:      time.Now(),
	}
	if len(s.proxies) > 0 {
		s.proxies.see(h, r.Header.Values)
	}
	h.keep(keep, func() []string {
		names := []string{"host"}
		for name := range r.Header {
			names = append(names, strings.ToLower(name))
		}
		return names
	}, func(name string) []string {
		if name == "host" {
			return []string{r.Host}
		}
		return r.Header[textproto.CanonicalMIMEHeaderKey(name)]
	})
	return h
}

// everyHeader stands for all headers in Config.KeepHeaders.
const everyHeader = "*"

// keep takes down the wanted headers. names lists those that the request has, in
// lower case, in any order and perhaps more than once.
func (h *Handshake) keep(wanted []string, names func() []string, values func(name string) []string) {
	if slices.Contains(wanted, everyHeader) {
		wanted = names()
		slices.Sort(wanted)
		wanted = slices.Compact(wanted)
	}
	for _, name := range wanted {
		if values := values(name); len(values) > 0 {
			h.Headers = append(h.Headers, Header{Name: name, Value: strings.Join(values, joint(name))})
		}
	}
}

// joint is what stands between several values of one header.
func joint(name string) string {
	if name == "cookie" { // RFC 6265, section 5.4; net/http's HTTP/2 splits it
		return "; "
	}
	return ", "
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
