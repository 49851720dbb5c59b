package main

import (
	"net/netip"
	"reflect"
	"strings"
	"time"
)

// Config is everything that can be set. Each field's tags are its documentation and its contract:
//
//	name     the flag (--name), the key in the file (name) and, in capitals with REALTIME_ before, the environment variable
//	group    the chapter of the reference that it belongs to
//	default  as a person would write it; absent means empty
//	unit     what a bare number counts, where that is not plain from the type
//	min, max the inclusive bounds, written as values are
//	oneof    the accepted words
//	help     one line, then what follows from it
type Config struct {
	Listen      string `name:"listen" group:"listeners" default:":8080" placeholder:"HOST:PORT" help:"Where browsers connect: Socket.IO and plain HTTP on one port. Without a host it listens on all addresses."`
	GRPCListen  string `name:"grpc-listen" group:"listeners" default:"127.0.0.1:9090" placeholder:"HOST:PORT" help:"Where services connect with gRPC. Without --grpc-tokens whoever reaches it may do everything: an address that others than this machine reach needs --grpc-tokens, or --grpc-tls-client-ca, or --grpc-insecure."`
	AdminListen string `name:"admin-listen" group:"listeners" default:"127.0.0.1:9091" placeholder:"HOST:PORT" help:"Where /healthz, /readyz and /metrics are served."`

	AdminProfiles bool `name:"admin-profiles" group:"listeners" negatable:"" default:"false" help:"Serve Go's profiles as well, under /debug/pprof/. They show what the process does and holds, tokens and messages included: only where strangers do not reach --admin-listen."`

	TLSCert string `name:"tls-cert" group:"listeners" placeholder:"FILE" help:"Certificate chain (PEM) of --listen, which then takes TLS only: https and wss, with HTTP/2 for what is not Socket.IO's WebSocket. It is read again when the file changes."`
	TLSKey  string `name:"tls-key" group:"listeners" placeholder:"FILE" help:"Private key (PEM) of that certificate."`

	WebTransportListen string         `name:"webtransport-listen" group:"listeners" placeholder:"HOST:PORT" help:"UDP address where browsers connect with WebTransport (HTTP/3), if that is among --transports. Empty: the address of --listen, as clients upgrade to the host and port at which they poll."`
	WebTransportCert   string         `name:"webtransport-cert" group:"listeners" placeholder:"FILE" help:"Certificate chain (PEM) of --webtransport-listen. It is read again when the file changes."`
	WebTransportKey    string         `name:"webtransport-key" group:"listeners" placeholder:"FILE" help:"Private key (PEM) of that certificate."`
	ProxyProtocol      []netip.Prefix `name:"proxy-protocol" group:"listeners" placeholder:"CIDR" help:"Peers, such as load balancers, whose connections begin with a PROXY header (version 1 or 2), which names the client's address. It is required from them and not believed from others."`
	TrustedProxies     []netip.Prefix `name:"trusted-proxies" group:"listeners" placeholder:"CIDR" help:"Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed: the client's address is the rightmost one that is not theirs."`

	Path                 string   `name:"path" group:"socketio" default:"/socket.io/" placeholder:"PATH" help:"Prefix under which Socket.IO is served. It starts and ends with a slash."`
	Namespaces           []string `name:"namespaces" group:"socketio" default:"/" placeholder:"NAME" help:"Namespaces that clients may connect to. Others are refused with 'Invalid namespace'; '/' must be named to exist, or be matched by a pattern."`
	NamespacePatterns    []string `name:"namespace-patterns" group:"socketio" placeholder:"REGEXP" help:"Patterns (RE2) of further namespaces, such as /room-[0-9]+: one that a pattern matches as a whole exists while a client is in it. A comma within a pattern is written as \\,."`
	MaxDynamicNamespaces int      `name:"max-dynamic-namespaces" group:"socketio" default:"10000" min:"1" max:"1000000" help:"How many namespaces may exist at a time because of a pattern. One more, and the client that asked for it is refused."`
	AddTrailingSlash     bool     `name:"add-trailing-slash" group:"socketio" default:"true" negatable:"" help:"Serve requests that begin with the path only. Without it, the path without its slash is served as well."`
	ServeClient          bool     `name:"serve-client" group:"socketio" default:"true" negatable:"" help:"Serve the stock client bundle under the path, for example /socket.io/socket.io.min.js."`
	WebRoot              string   `name:"web-root" group:"socketio" placeholder:"DIR" help:"Folder served to browsers outside the path. Empty: everything outside the path is 404. Names that begin with a dot are never served, and folders are not listed."`
	WebUpstream          string   `name:"web-upstream" group:"socketio" placeholder:"URL" help:"Web app, such as http://127.0.0.1:3000, that gets every request outside the path, WebSockets of its own included: pages, cookies and Socket.IO share one origin. Not together with --web-root."`

	CORSOrigins        []string      `name:"cors-origins" group:"pages" placeholder:"ORIGIN" help:"Pages of other origins that may read the answers to polling: one origin, sent as it is; several, of which the asking one is sent; '*' for all, without credentials; or 'reflect' for all. Empty: no CORS headers. They never bind WebSockets: --allowed-origins does."`
	CORSCredentials    bool          `name:"cors-credentials" group:"pages" negatable:"" default:"false" help:"Let such pages send cookies."`
	CORSMethods        []string      `name:"cors-methods" group:"pages" placeholder:"METHOD" help:"Methods that a preflight allows. Empty: GET,HEAD,PUT,PATCH,POST,DELETE."`
	CORSAllowedHeaders []string      `name:"cors-allowed-headers" group:"pages" placeholder:"NAME" help:"Request headers that a preflight allows. Empty: those that it asks for."`
	CORSExposedHeaders []string      `name:"cors-exposed-headers" group:"pages" placeholder:"NAME" help:"Answer headers that such pages may read."`
	CORSMaxAge         time.Duration `name:"cors-max-age" group:"pages" default:"0s" min:"0s" max:"24h" help:"How long a browser may remember a preflight. 0s: it is not told."`
	AllowedOrigins     []string      `name:"allowed-origins" group:"pages" placeholder:"ORIGIN" help:"Origins whose pages may connect at all, whatever the transport, such as https://example.com or https://*.example.com. Others are refused with 'Forbidden'; clients that send no Origin are let in. Empty: all."`
	Cookie             string        `name:"cookie" group:"pages" placeholder:"COOKIE" help:"Cookie that the first answer to a polling client sets to the session's id, for load balancers: a name, or a name and its attributes, such as 'io; Path=/; Secure; SameSite=None'. A bare name gets Path=/; HttpOnly; SameSite=Lax. Empty: none."`

	Transports     []string      `name:"transports" group:"sessions" default:"polling,websocket" oneof:"polling,websocket,webtransport" placeholder:"NAME" help:"Transports that a session may use."`
	AllowEIO3      bool          `name:"allow-eio3" group:"sessions" negatable:"" default:"false" help:"Serve clients of Socket.IO 1.x and 2.x as well, which speak revision 3 of Engine.IO."`
	AllowUpgrades  bool          `name:"allow-upgrades" group:"sessions" default:"true" negatable:"" help:"Let a session that began with polling go on over WebSocket."`
	PingInterval   time.Duration `name:"ping-interval" group:"sessions" default:"25s" min:"100ms" max:"24h" help:"Pause between two heartbeats to a client."`
	PingTimeout    time.Duration `name:"ping-timeout" group:"sessions" default:"20s" min:"100ms" max:"24h" help:"How long a client may take to answer a heartbeat before it counts as gone."`
	UpgradeTimeout time.Duration `name:"upgrade-timeout" group:"sessions" default:"10s" min:"100ms" max:"10m" help:"How long an upgrade from polling to WebSocket may take. The session stays on polling when it fails."`
	ConnectTimeout time.Duration `name:"connect-timeout" group:"sessions" default:"45s" min:"100ms" max:"10m" help:"How long a client may stay without being in any namespace before its session is closed."`
	KeepHeaders    []string      `name:"keep-headers" group:"sessions" default:"user-agent,origin,x-forwarded-for" placeholder:"NAME" help:"Headers of a session's first request that are kept and shown to services, admission included; '*' stands for all. Each costs its length in memory per session and is visible to every service, which is why cookie and authorization are not among them: add them when an admission service needs them."`
	Compression    ByteSize      `name:"http-compression-threshold" group:"sessions" default:"1KiB" unit:"bytes" min:"0" max:"1GiB" help:"Answers to polling clients from this size on are compressed, if the client takes it. 0: never."`
	Deflate        bool          `name:"per-message-deflate" group:"sessions" negatable:"" default:"false" help:"Compress messages on WebSockets, if the client takes it: a broadcast once for all. It costs CPU, and a megabyte for each core."`
	DeflateMin     ByteSize      `name:"deflate-threshold" group:"sessions" default:"1KiB" unit:"bytes" min:"1" max:"1GiB" help:"Messages from this size on are compressed then."`
	KeepAuth       bool          `name:"keep-auth" group:"sessions" negatable:"" default:"false" help:"Keep each socket's auth payload and show it to services that ask for the socket later. Admission sees it in any case. It costs its length in memory per socket, and tokens in it stay visible."`
	RecoveryMaxAge time.Duration `name:"recovery-max-age" group:"sessions" default:"0s" min:"0s" max:"24h" help:"How long a client that lost its connection may be away and still come back to the same socket, with its rooms, its data and what was emitted meanwhile. 0s: never. Emits to one namespace then go out one after the other."`
	RecoveryBytes  ByteSize      `name:"recovery-bytes" group:"sessions" default:"64MiB" unit:"bytes" min:"1MiB" max:"64GiB" help:"How much may be kept for that: messages, and sockets that are away. At the bound the oldest go first, and their clients begin anew."`

	MaxPayload     ByteSize `name:"max-payload" group:"limits" default:"1000000" unit:"bytes" min:"1KiB" max:"256MiB" help:"Largest message that a client may send, also advertised to it. Larger ones are refused with 413, or close code 1009 on WebSocket."`
	MaxOutbox      ByteSize `name:"max-outbox" group:"limits" default:"4MiB" unit:"bytes" min:"64KiB" max:"1GiB" help:"How much may wait for one client that reads slowly. Beyond it volatile messages are dropped, and any other message closes the session."`
	MaxPendingAcks int      `name:"max-pending-acks" group:"limits" default:"1024" min:"1" max:"1000000" help:"How many acknowledgements of one socket may be outstanding in either direction. Beyond it the client's oldest event that waits for a reply is given up, and an event that asks the client is not sent to it."`
	MaxNamespaces  int      `name:"max-namespaces" group:"limits" default:"100" min:"1" max:"1000000" help:"In how many namespaces one client may be at a time. One more is refused with 'Too many namespaces'."`
	MaxEventRate   int      `name:"max-events-per-second" group:"limits" default:"0" min:"0" max:"1000000" help:"How many events one client may send a second, over all its namespaces; twice as many may come at once. A client that sends more loses its session, with close code 1008 or status 429. 0: no limit."`
	MaxByteRate    ByteSize `name:"max-bytes-per-second" group:"limits" default:"0" unit:"bytes" min:"0" max:"1GiB" help:"The same for bytes of messages; one message of --max-payload may always come."`

	MaxSessionsPerAddress    int `name:"max-sessions-per-address" group:"limits" default:"0" min:"0" max:"100000000" help:"How many live sessions one client address may have, with IPv6 one /64. A handshake beyond it is answered with 429. 0: no limit."`
	MaxConnectionsPerAddress int `name:"max-connections-per-address" group:"limits" default:"0" min:"0" max:"100000000" help:"How many connections without a WebSocket one peer may have, --trusted-proxies exempt; a browser has up to six. One more is closed. 0: no limit."`
	HandshakesPerSecond      int `name:"handshakes-per-second" group:"limits" default:"0" min:"0" max:"1000000" help:"How many sessions one client address may begin a second in the long run; ten seconds' worth may come at once. A handshake beyond it is answered with 429. 0: no limit."`

	AdmissionPolicy   string        `name:"admission-policy" group:"services" default:"allow" oneof:"allow,deny" help:"What a client that connects to a namespace gets while no service is attached that decides on admission."`
	HandshakePolicy   string        `name:"handshake-policy" group:"services" default:"allow" oneof:"allow,deny" help:"What a client that wants to begin a session gets while no service is attached that decides on handshakes. Whoever is let in is still subject to --admission-policy."`
	AdmissionTimeout  time.Duration `name:"admission-timeout" group:"services" default:"5s" min:"10ms" max:"5m" help:"How long an admission service may take to decide, about a handshake at most 20s. Then the client is refused. --connect-timeout goes on meanwhile."`
	AdmissionPending  int           `name:"admission-max-pending" group:"services" default:"10000" min:"1" max:"1000000" help:"How many such questions may be open at a time. One more client is refused with 'admission overloaded'. Each that is about a handshake keeps a connection and its goroutine."`
	AdmissionBytes    ByteSize      `name:"admission-max-pending-bytes" group:"services" default:"64MiB" unit:"bytes" min:"1MiB" max:"64GiB" help:"The same for the bytes that clients have sent with them: handshakes and auth payloads."`
	AdmissionHeaders  []string      `name:"admission-headers" group:"services" placeholder:"NAME" help:"Headers of a session's first request that services see when they decide on its handshake, beside those of --keep-headers, such as cookie and authorization; '*' stands for all. They are not kept: questions about namespaces, which come later, do not show them."`
	AllowedEvents     []string      `name:"allowed-events" group:"services" placeholder:"NAMESPACE=NAME" help:"Events that clients may send. NAMESPACE is a namespace's full name, or '*' for those without entries of their own; a NAME that ends in '*' stands for all that begin so, and none, as in '/news=', lets clients only listen. Any other event of such a namespace is refused: nobody hears of it, and a client that wants an acknowledgement is answered with an error. A namespace without entries allows all."`
	IdempotencyWindow time.Duration `name:"idempotency-window" group:"services" default:"2m" min:"1s" max:"24h" help:"How long the server remembers an emit that came with an idempotency key: one with the same key is answered like the first and not carried out again."`
	IdempotencyKeys   int           `name:"idempotency-keys" group:"services" default:"100000" min:"1" max:"10000000" help:"How many such keys it remembers, about 400 bytes each. Beyond it the oldest is forgotten; this is counted."`
	WatchBuffer       ByteSize      `name:"watch-buffer" group:"services" default:"16MiB" unit:"bytes" min:"3MiB" max:"1GiB" help:"How much may wait for one watcher that reads slowly. Beyond it the watcher loses events and is told how many."`

	MaxGroups         int           `name:"max-groups" group:"groups" default:"1000" min:"1" max:"100000" help:"How many consumer groups there may be. One more is refused."`
	MaxGroupMembers   int           `name:"max-group-members" group:"groups" default:"1000" min:"1" max:"100000" help:"How many members each may have. One more is refused."`
	GroupRetention    time.Duration `name:"group-retention" group:"groups" default:"5m" min:"1s" max:"24h" help:"How long a group without members keeps what clients do. Then it ends, and what it kept is lost; this is counted and logged."`
	GroupBuffer       ByteSize      `name:"group-buffer" group:"groups" default:"64MiB" unit:"bytes" min:"3MiB" max:"64GiB" help:"How much may wait in one group, what its members have not acknowledged included. At this bound --group-overflow applies, and clients that want to connect are refused with 'overloaded'."`
	GroupSocketBuffer ByteSize      `name:"group-socket-buffer" group:"groups" default:"1MiB" unit:"bytes" min:"1KiB" max:"64GiB" help:"How much of that may be of one socket. At this bound --group-overflow applies to that client alone."`
	GroupMaxAge       time.Duration `name:"group-max-age" group:"groups" default:"0s" min:"0s" max:"24h" help:"How long an event may wait. If one has waited longer, the group counts as full. 0s: any time."`
	GroupOverflow     string        `name:"group-overflow" group:"groups" default:"pause" oneof:"pause,refuse" help:"What becomes of the clients of a full group. pause: nothing more is read from whoever sends, while heartbeats and messages to it go on, until there is room. refuse: their events are refused, and those that want an acknowledgement are answered with an error."`
	GroupMaxFailures  int           `name:"group-max-failures" group:"groups" default:"0" min:"0" max:"1000000" help:"How often the handling of an event may fail: a negative acknowledgement, none in time, or a member that was lost over it. Then --group-dead-letter applies. 0: it is delivered for ever, and what its socket does later waits behind it."`
	GroupDeadLetter   string        `name:"group-dead-letter" group:"groups" default:"drop" oneof:"drop,disconnect" help:"What becomes of an event that failed too often. drop: it is dropped, counted and logged. disconnect: its socket is disconnected as well."`

	JWTKeys            string        `name:"jwt-keys" group:"jwt" placeholder:"FILE" help:"Public keys that the tokens of clients are checked with: PEM, or a JSON Web Key (Set). It is read again when the file changes. With this or one of the next two, clients are let in by a token."`
	JWTJWKSURL         string        `name:"jwt-jwks-url" group:"jwt" placeholder:"URL" help:"Where a JSON Web Key Set with such keys is fetched. It is fetched again when a token names a key that is not there; while it cannot be reached, the last keys stay in use."`
	JWTSecret          string        `name:"jwt-hmac-secret-file" group:"jwt" placeholder:"FILE" help:"File with the secret of tokens that are signed with HS256, HS384 or HS512, at least 32 bytes. It is read again when it changes."`
	JWTJWKSRefresh     time.Duration `name:"jwt-jwks-refresh" group:"jwt" default:"5m" min:"5s" max:"24h" help:"How often the set is fetched in any case."`
	JWTAlgorithms      []string      `name:"jwt-algorithms" group:"jwt" placeholder:"NAME" help:"Algorithms that tokens may be signed with. Empty: all that the keys are for, of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 and EdDSA. 'none' never is."`
	JWTIssuer          string        `name:"jwt-issuer" group:"jwt" placeholder:"TEXT" help:"What the claim iss must be. Empty: anything."`
	JWTAudience        []string      `name:"jwt-audience" group:"jwt" placeholder:"TEXT" help:"What the claim aud must have one of. Empty: anything."`
	JWTLeeway          time.Duration `name:"jwt-leeway" group:"jwt" default:"10s" min:"0s" max:"10m" help:"How far the clocks of who issues tokens may be off, for exp, nbf and iat."`
	JWTNoExpiry        bool          `name:"jwt-no-expiry" group:"jwt" negatable:"" default:"false" help:"Let tokens without the claim exp in, which never expire."`
	JWTMaxBytes        ByteSize      `name:"jwt-max-bytes" group:"jwt" default:"8KiB" unit:"bytes" min:"256" max:"1MiB" help:"Longest token that is looked at."`
	JWTSources         []string      `name:"jwt-sources" group:"jwt" default:"auth.token" placeholder:"PLACE" help:"Where a token may be, in the order of precedence: auth.token, authorization, cookie:NAME, query:NAME. Tokens in queries end up in the logs of proxies."`
	JWTOptional        bool          `name:"jwt-optional" group:"jwt" negatable:"" default:"false" help:"Leave clients without a token to the services that are attached, and to --admission-policy. Otherwise they are refused."`
	JWTThenAsk         bool          `name:"jwt-then-ask" group:"jwt" negatable:"" default:"false" help:"Ask the services that are attached about clients with a good token, too. Where they name a user, rooms or data, that holds."`
	JWTUserClaim       string        `name:"jwt-user-claim" group:"jwt" default:"sub" placeholder:"CLAIM" help:"Claim that is the socket's user; a token must have it. Empty: sockets have no user."`
	JWTRoomsClaim      string        `name:"jwt-rooms-claim" group:"jwt" placeholder:"CLAIM" help:"Claim with the rooms that the socket begins in: a string, or a list. Empty: none."`
	JWTNamespacesClaim string        `name:"jwt-namespaces-claim" group:"jwt" placeholder:"CLAIM" help:"Claim with the namespaces that the token is good for; one without it is good for none. Empty: it is good for all."`
	JWTDataClaim       string        `name:"jwt-data-claim" group:"jwt" placeholder:"CLAIM" help:"Claim that becomes the socket's data. Empty: none."`
	JWTExpiry          string        `name:"jwt-expiry" group:"jwt" default:"disconnect" oneof:"disconnect,ask,ignore" help:"What becomes of a socket when its token expires. disconnect: it is disconnected. ask: it is asked for another one before, and disconnected if it brings none. ignore: nothing."`
	JWTRefreshEvent    string        `name:"jwt-refresh-event" group:"jwt" default:"token_expiring" placeholder:"NAME" help:"Event that it is asked with. It answers the acknowledgement with the new token."`
	JWTRefreshBefore   time.Duration `name:"jwt-refresh-before" group:"jwt" default:"30s" min:"1s" max:"24h" help:"How long before the expiry it is asked."`

	GRPCTLSCert     string `name:"grpc-tls-cert" group:"grpc" placeholder:"FILE" help:"Certificate chain (PEM) of --grpc-listen, which then takes TLS only. It is read again when the file changes."`
	GRPCTLSKey      string `name:"grpc-tls-key" group:"grpc" placeholder:"FILE" help:"Private key (PEM) of that certificate."`
	GRPCTLSClientCA string `name:"grpc-tls-client-ca" group:"grpc" placeholder:"FILE" help:"Certificates (PEM) of those who sign the certificates of services. With it, a service must show one. It is read again when the file changes."`
	GRPCTokens      string `name:"grpc-tokens" group:"grpc" placeholder:"FILE" help:"YAML file with the callers that may call, each with a bearer token or the name in its certificate, and its rights. It is read again when the file changes. Empty: callers need no token and may do everything."`
	GRPCInsecure    bool   `name:"grpc-insecure" group:"grpc" negatable:"" default:"false" help:"Let --grpc-listen and --http-listen be addresses that others than this machine reach, although neither tokens nor client certificates keep strangers out: something else must."`
	HTTPListen      string `name:"http-listen" group:"grpc" placeholder:"HOST:PORT" help:"Where services call with HTTP and JSON, such as 127.0.0.1:9092: the same methods, tokens, rights and limits as with gRPC, and with --grpc-tls-cert the same TLS; an address that others than this machine reach has the same conditions. Empty: nowhere."`
	GRPCRate        int    `name:"grpc-rate" group:"grpc" default:"0" min:"0" max:"1000000" help:"How many calls a second one caller may make, where --grpc-tokens says nothing else; without tokens an address is a caller. One more is refused with RATE_LIMITED. A message of EmitStream counts as a call, and is read later instead of refused. 0: no limit."`
	GRPCBurst       int    `name:"grpc-burst" group:"grpc" default:"0" min:"0" max:"1000000" help:"How many calls one caller may make at once. 0: as many as in a second."`
	GRPCMaxStreams  int    `name:"grpc-max-streams-per-caller" group:"grpc" default:"1000" min:"1" max:"1000000" help:"How many streams one caller may have open, where --grpc-tokens says nothing else; without tokens an address is a caller. One more is refused with TOO_MANY_STREAMS."`

	AdminUI          string `name:"admin-ui" group:"adminui" default:"off" oneof:"off,readonly,full" help:"Let the Socket.IO Admin UI connect: to look, or to emit, join, leave and disconnect as well."`
	AdminUIMode      string `name:"admin-ui-mode" group:"adminui" default:"development" oneof:"development,production" help:"What it shows: each socket and event, or figures only, which cost next to nothing."`
	AdminUINamespace string `name:"admin-ui-namespace" group:"adminui" default:"/admin" placeholder:"NAME" help:"Namespace that it connects to. It is not among --namespaces, and services do not hear of it."`
	AdminUIUsername  string `name:"admin-ui-username" group:"adminui" placeholder:"NAME" help:"Name that a person has to give."`
	AdminUIPassword  string `name:"admin-ui-password-hash" group:"adminui" placeholder:"HASH" help:"Bcrypt hash of the password that goes with it, as 'htpasswd -nbB name password' makes it."`
	AdminUIOpen      bool   `name:"admin-ui-open" group:"adminui" negatable:"" default:"false" help:"Let everybody in without a password. Whoever reaches --listen may then do what --admin-ui says."`

	Engine          string        `name:"engine" group:"process" default:"auto" oneof:"auto,loops,portable" help:"How connections are driven: descriptor loops (Linux), a goroutine each (portable), or the best that the system has (auto)."`
	HeadTimeout     time.Duration `name:"head-timeout" group:"process" default:"10s" min:"100ms" max:"5m" help:"How long a new connection may take to send the head of its first request."`
	MaxPendingHeads int           `name:"max-pending-heads" group:"process" default:"4096" min:"1" max:"1000000" help:"How many connections may be in that state at a time. One more, and the oldest of them is closed."`
	DrainDelay      time.Duration `name:"drain-delay" group:"process" default:"0s" min:"0s" max:"10m" help:"How long the process serves as before after SIGTERM or SIGINT, but says that it is not ready: what a load balancer takes to notice. It is part of --grace-period."`
	DrainRate       int           `name:"drain-rate" group:"process" default:"1000" min:"0" max:"1000000" help:"How many clients a second are disconnected at the end, so that they do not connect elsewhere all at once. It is more if --grace-period wants it. 0: all at once."`
	DrainJitter     int           `name:"drain-jitter" group:"process" default:"50" min:"0" max:"100" help:"By how many percent the pauses between them vary, so that processes that end together do not send their clients on in step."`
	SharePorts      bool          `name:"share-ports" group:"process" negatable:"" default:"false" help:"Let another process of the same user listen on the same addresses (SO_REUSEPORT), so that a new version can start before the old one ends. Sockets that systemd hands over do the same without a gap. Not with webtransport among --transports."`
	GracePeriod     time.Duration `name:"grace-period" group:"process" default:"20s" min:"0s" max:"1h" help:"How long an orderly end may take after SIGTERM or SIGINT. Clients and calls that hold it up are cut off shortly before."`
	NodeID          string        `name:"node-id" group:"process" placeholder:"NAME" help:"Name of this process in logs and metrics. Empty: the name of the host."`
	LogLevel        string        `name:"log-level" group:"process" default:"info" oneof:"debug,info,warn,error" help:"Least important kind of log line that is written."`
	LogFormat       string        `name:"log-format" group:"process" default:"text" oneof:"text,json" help:"Form of a log line. Log lines go to standard error."`
	TraceEndpoint   string        `name:"trace-endpoint" group:"process" placeholder:"HOST:PORT" help:"Collector that gets OpenTelemetry traces, with OTLP over gRPC. Empty: nothing is traced, and tracing costs nothing."`
	TraceSample     string        `name:"trace-sample" group:"process" default:"1" placeholder:"RATIO" help:"How many of the traces that begin with a client's event or a call are recorded, from 0, none, to 1, all. A call that comes with a trace of its own is recorded if that is."`
	TraceInsecure   bool          `name:"trace-insecure" group:"process" negatable:"" default:"false" help:"Speak to that collector without TLS."`
}

// group is a chapter of the reference.
type group struct{ key, title string }

// groups lists the chapters in their order.
var groups = []group{
	{"listeners", "Listeners"},
	{"socketio", "Socket.IO"},
	{"pages", "Pages of other origins"},
	{"sessions", "Sessions"},
	{"limits", "Limits"},
	{"services", "Services"},
	{"jwt", "Tokens of clients"},
	{"adminui", "Admin UI"},
	{"groups", "Consumer groups"},
	{"grpc", "Callers of gRPC"},
	{"process", "Process"},
}

// envPrefix begins the name of every environment variable that is read.
const envPrefix = "REALTIME_"

// setting is one field of a [Config], seen through its tags.
type setting struct {
	name, group, initial, help string
	min, max, unit             string   // min and max are empty where unbounded
	oneof                      []string // nil: any value
	value                      reflect.Value
}

// settings lists the fields of c in their order; their values can be set through the result.
func settings(c *Config) []setting {
	v := reflect.ValueOf(c).Elem()
	list := make([]setting, 0, v.NumField())
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		s := setting{
			name: tag.Get("name"), group: tag.Get("group"), initial: tag.Get("default"), help: tag.Get("help"),
			min: tag.Get("min"), max: tag.Get("max"), unit: tag.Get("unit"),
			value: v.Field(i),
		}
		if words := tag.Get("oneof"); words != "" {
			s.oneof = strings.Split(words, ",")
		}
		list = append(list, s)
	}
	return list
}

// envName is the environment variable that sets the setting called name.
func envName(name string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// limits says the default and what else is accepted; quote marks what is to be typed.
func (s setting) limits(quote func(string) string) string {
	text := "Default empty"
	if s.initial != "" {
		text = "Default " + quote(s.initial)
	}
	if s.unit != "" && strings.Trim(s.initial, "0123456789") == "" {
		text += " " + s.unit
	}
	if s.oneof != nil {
		words := make([]string, len(s.oneof))
		for i, w := range s.oneof {
			words[i] = quote(w)
		}
		which := "one of "
		if s.value.Kind() == reflect.Slice {
			which = "any of "
		}
		text += "; " + which + strings.Join(words, ", ")
	}
	if s.min != "" {
		text += "; from " + quote(s.min) + " to " + quote(s.max)
	}
	return text
}
