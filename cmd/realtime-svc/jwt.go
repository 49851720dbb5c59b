package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/realtime-svc/realtime-svc/rooms"
	"github.com/realtime-svc/realtime-svc/service/jwt"
)

// jwtConfig is what the verification of tokens is told of the configuration.
func (c *Config) jwtConfig() jwt.Config {
	cfg := jwt.Config{
		KeysFile:        c.JWTKeys,
		JWKSURL:         c.JWTJWKSURL,
		JWKSRefresh:     c.JWTJWKSRefresh,
		SecretFile:      c.JWTSecret,
		Algorithms:      c.JWTAlgorithms,
		Issuer:          c.JWTIssuer,
		Audience:        c.JWTAudience,
		Leeway:          c.JWTLeeway,
		NoExpiry:        c.JWTNoExpiry,
		MaxBytes:        int(c.JWTMaxBytes),
		Sources:         c.JWTSources,
		Optional:        c.JWTOptional,
		ThenAsk:         c.JWTThenAsk,
		UserClaim:       c.JWTUserClaim,
		RoomsClaim:      c.JWTRoomsClaim,
		NamespacesClaim: c.JWTNamespacesClaim,
		DataClaim:       c.JWTDataClaim,
		Expiry:          jwt.Expiry(c.JWTExpiry),
		RefreshEvent:    c.JWTRefreshEvent,
		RefreshBefore:   c.JWTRefreshBefore,
	}
	kept := lower(c.KeepHeaders)
	for _, name := range cfg.Headers() {
		if !slices.Contains(kept, name) && !slices.Contains(kept, "*") {
			cfg.HideHeaders = append(cfg.HideHeaders, name)
		}
	}
	return cfg
}

// checkJWT covers what can be told without the files.
func (c *Config) checkJWT(wrong func(name, format string, args ...any)) {
	cfg := c.jwtConfig()
	if !cfg.Enabled() {
		if c.JWTOptional || c.JWTThenAsk {
			wrong("jwt-optional", "or --jwt-then-ask say nothing without --jwt-keys, --jwt-jwks-url or --jwt-hmac-secret-file")
		}
		return
	}
	cfg.KeysFile, cfg.SecretFile = "", "" // read when the Process is made
	var told []error
	if joined, ok := cfg.Validate().(interface{ Unwrap() []error }); ok {
		told = joined.Unwrap()
	}
	for _, err := range told {
		setting, ok := errors.AsType[*jwt.SettingError](err)
		if !ok || setting.Setting == "keys" || setting.Setting == "algorithms" && (c.JWTKeys != "" || c.JWTSecret != "") {
			continue
		}
		wrong("jwt-"+setting.Setting, "%s", setting.Err)
	}
}

// newJWT makes the verifier of tokens, if there are keys.
func (p *Process) newJWT(hub *rooms.Hub) error {
	cfg := p.cfg.jwtConfig()
	if !cfg.Enabled() {
		return nil
	}
	cfg.Hub, cfg.Logger = hub, p.logger
	var err error
	if p.jwt, err = jwt.NewAdmitter(cfg, p.service.Admissions(), p.observer()); err != nil {
		return settingProblems(err)
	}
	return nil
}

// settingProblems gives each problem the name of its flag.
func settingProblems(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		joined = errors.Join(err).(interface{ Unwrap() []error })
	}
	var problems []error
	for _, one := range joined.Unwrap() {
		if setting, ok := errors.AsType[*jwt.SettingError](one); ok {
			one = fmt.Errorf("--jwt-%s: %w", setting.Setting, setting.Err)
		}
		problems = append(problems, one)
	}
	return errors.Join(problems...)
}

// jwtCollector reads the counters of the verification of tokens when it is scraped.
type jwtCollector struct{ stats func() jwt.Stats }

var (
	descTokens         = desc("jwt_accepted_total", "Clients whose token was good, whatever a service then decided.")
	descTokensPassedOn = desc("jwt_passed_on_total", "Clients without a token who were left to services (--jwt-optional).")
	descTokensRefused  = desc("jwt_refused_total", "Tokens that were refused, by reason; those that clients were asked for included.", "reason")
	descTokensWaiting  = desc("jwt_waiting", "Clients that wait for keys to be looked at again.")
	descTokenKeys      = desc("jwt_keys", "Keys that tokens are checked with.")
	descTokenLoads     = desc("jwt_key_loads_total", "Looks at the sources of keys: they had other keys than before (changed), the same, or none that can be used (failed).", "outcome")
	descTokensWatched  = desc("jwt_watched_sockets", "Sockets that are connected, or may come back, whose token will expire.")
	descTokensExpired  = desc("jwt_expired_total", "Sockets that were disconnected because their token had expired.")
	descTokensAsked    = desc("jwt_asked_total", "Sockets that were asked for another token before theirs expired, and those of them that brought one (extended).", "outcome")
)

// Describe implements prometheus.Collector.
func (c *jwtCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *jwtCollector) Collect(ch chan<- prometheus.Metric) {
	s, to := c.stats(), sink(ch)
	to.count(descTokens, s.Accepted)
	to.count(descTokensPassedOn, s.PassedOn)
	to.each(descTokensRefused, s.Refused)
	to.gauge(descTokensWaiting, s.Waiting)
	to.gauge(descTokenKeys, s.Keys)
	to.each(descTokenLoads, s.Loads)
	to.gauge(descTokensWatched, s.Watched)
	to.count(descTokensExpired, s.Expired)
	to.each(descTokensAsked, map[string]uint64{"asked": s.Asked, "extended": s.Extended})
}
