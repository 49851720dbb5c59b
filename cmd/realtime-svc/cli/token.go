package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// minSecret is the least length of a secret that the service takes, in bytes.
const minSecret = 32

type tokenCommand struct {
	User            string        `arg:"" help:"The user: the claim that --user-claim names."`
	SecretFile      string        `name:"secret-file" required:"" type:"existingfile" placeholder:"FILE" help:"The file that the service has as --jwt-hmac-secret-file."`
	Expires         time.Duration `default:"1h" help:"How long it is good for."`
	Issuer          string        `placeholder:"TEXT" help:"Claim iss."`
	Audience        []string      `placeholder:"TEXT" help:"Claim aud."`
	Rooms           []string      `name:"room" sep:"none" placeholder:"NAME" help:"Room; may be given several times. For --jwt-rooms-claim=rooms."`
	Namespaces      []string      `name:"in" placeholder:"NAME" help:"Namespace that it is good for. For --jwt-namespaces-claim=namespaces."`
	Data            string        `placeholder:"JSON" help:"The socket's data. For --jwt-data-claim=data."`
	UserClaim       string        `name:"user-claim" default:"sub" help:"As --jwt-user-claim."`
	RoomsClaim      string        `name:"rooms-claim" default:"rooms" help:"As --jwt-rooms-claim."`
	NamespacesClaim string        `name:"namespaces-claim" default:"namespaces" help:"As --jwt-namespaces-claim."`
	DataClaim       string        `name:"data-claim" default:"data" help:"As --jwt-data-claim."`
}

// Run prints a token, signed with HS256.
func (t *tokenCommand) Run(c *call) error {
	secret, err := os.ReadFile(t.SecretFile)
	if err != nil {
		return &usageError{err}
	}
	if secret = bytes.TrimSuffix(bytes.TrimSuffix(secret, []byte("\n")), []byte("\r")); len(secret) < minSecret {
		return &usageError{fmt.Errorf("--secret-file=%s: it has %d bytes; the service takes %d or more", t.SecretFile, len(secret), minSecret)}
	}
	if t.Expires <= 0 {
		return &usageError{errors.New("--expires must be more than 0s")}
	}
	now := time.Now()
	claims := jwt.MapClaims{t.UserClaim: t.User, "iat": now.Unix(), "exp": now.Add(t.Expires).Unix()}
	if t.Issuer != "" {
		claims["iss"] = t.Issuer
	}
	for name, values := range map[string][]string{"aud": t.Audience, t.RoomsClaim: t.Rooms, t.NamespacesClaim: t.Namespaces} {
		if len(values) > 0 {
			claims[name] = values
		}
	}
	if t.Data != "" {
		if !json.Valid([]byte(t.Data)) {
			return &usageError{fmt.Errorf("--data=%s is not JSON", t.Data)}
		}
		claims[t.DataClaim] = json.RawMessage(t.Data)
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
	if err != nil {
		return err
	}
	if c.out.json {
		line, _ := json.Marshal(map[string]any{"token": text, "expires": now.Add(t.Expires).UTC().Format(time.RFC3339)})
		text = string(line)
	}
	c.out.line("%s", text)
	return nil
}
