package config

import (
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
)

// Secret is a text that must not be shown: printed, logged or written, it is (secret).
type Secret string

// String returns what may be shown, and nothing for no secret; string(s) is the secret itself.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(secret)"
}

// GoString returns what String does.
func (s Secret) GoString() string { return s.String() }

// LogValue returns what String does.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns what String does.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// maxSecret bounds a secret's file, in bytes.
const maxSecret = 4096

var printable = regexp.MustCompile(`^[!-~]+$`)

// trimNewline takes one line break off the end, which editors and echo put there.
func trimNewline(text []byte) string {
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
}

// secrets reads what the file keeps elsewhere.
func (w *walker) secrets(c *Config) {
	w.secret("token_file", "the token", &c.Admin.TokenFile, &c.Admin.Token)
	w.secret("preview_token_file", "the token", &c.Refusal.PreviewTokenFile, &c.Refusal.PreviewToken)
	w.secret("secret_file", "the secret", &c.TLS.ACME.SecretFile, &c.TLS.ACME.Secret)
	w.secret("license_key_file", "the license key", &c.GeoIP.Update.LicenseKeyFile, &c.GeoIP.Update.LicenseKey)
	w.secret("password_file", "the password", &c.Redis.PasswordFile, &c.Redis.Password)
	w.secret("sentinel_password_file", "the password", &c.Redis.SentinelPasswordFile, &c.Redis.SentinelPassword)
	w.checkPreview(c)
}

// secret reads the file that a key names.
func (w *walker) secret(key, what string, field *string, into *Secret) {
	name := *field
	if name == "" {
		return
	}
	text, err := ReadFile(name, maxSecret)
	secret := trimNewline(text)
	switch {
	case err != nil:
		w.report(fmt.Sprintf("%s %s cannot be read: %v; write %s into it, readable by the gateway alone", key, show(name), err, what), field)
	case secret == "":
		w.report(fmt.Sprintf("%s %s is empty; write %s into it, such as openssl rand -hex 32 prints", key, show(name), what), field)
	case !printable.MatchString(secret):
		w.report(fmt.Sprintf("%s %s holds a space, line break or other character beside printable ASCII; write %s in one line", key, show(name), what), field)
	default:
		*into = Secret(secret)
	}
	if info, err := os.Stat(name); err == nil && info.Mode().Perm()&0o004 != 0 {
		w.warnings = append(w.warnings, placed(w.places, w.file, fmt.Sprintf("%s %s can be read by everyone; take that away with chmod o-r", key, show(name)), field))
	}
}

// leastPreviewToken is how long the token of an auditor must be, in bytes. Whoever guesses is answered as quickly as anybody else, and
// no gateway knows of the guesses at another, so that only the number of tokens there could be keeps one safe.
const leastPreviewToken = 32

// checkPreview reports a token that could be guessed, and one that opens more than it should.
func (w *walker) checkPreview(c *Config) {
	switch token := c.Refusal.PreviewToken; {
	case token == "":
	case len(token) < leastPreviewToken:
		w.report(fmt.Sprintf("preview_token_file %s holds %d characters, which could be guessed; write %d or more into it, such as openssl rand -hex 32 prints",
			show(c.Refusal.PreviewTokenFile), len(token), leastPreviewToken), &c.Refusal.PreviewTokenFile)
	case token == c.Admin.Token:
		w.report("refusal.preview_token_file and admin.token_file hold the same token, so that an auditor could do what operators can; write another into one of them",
			&c.Refusal.PreviewTokenFile)
	}
}
