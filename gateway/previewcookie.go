package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// previewLength is how long a browser shows previews before it has to be given the token again.
const previewLength = 12 * time.Hour

// The names of the cookie by which a browser asks for previews. It takes the first only over TLS, for this host alone and the whole of
// it (RFC 6265bis, section 4.1.3.2).
const (
	previewCookieSecure = "__Host-gate451-preview"
	previewCookiePlain  = "gate451-preview"
)

// previewKey signs cookies. Only whoever has the token can make it, and no cookie tells the token, so that a browser need not keep
// that; every replica that has the token takes the cookies of the others.
type previewKey []byte

func newPreviewKey(token string) previewKey {
	mac := hmac.New(sha256.New, []byte(token))
	_, _ = mac.Write([]byte("gate451 preview cookie")) // a hash takes everything
	return mac.Sum(nil)
}

// cookie returns the value for a preview until an instant. A preview of now is one of whenever the browser asks.
func (k previewKey) cookie(p *preview, until time.Time) string {
	at := ""
	if !p.now {
		at = p.at.Format(time.RFC3339Nano)
	}
	text := p.place() + "/" + at + "/" + strconv.FormatInt(until.Unix(), 10)
	return text + "/" + k.sign(text)
}

func (k previewKey) sign(text string) string {
	mac := hmac.New(sha256.New, k)
	_, _ = mac.Write([]byte(text)) // a hash takes everything
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// read returns what the value of a cookie asks for; ok is false for one that is none of this key's, or over.
func (k previewKey) read(value string, now time.Time) (place, at string, until time.Time, ok bool) {
	end := strings.LastIndexByte(value, '/')
	if end < 0 || !hmac.Equal([]byte(k.sign(value[:end])), []byte(value[end+1:])) {
		return "", "", until, false
	}
	parts := strings.Split(value[:end], "/") // as cookie has joined them
	seconds, err := strconv.ParseInt(parts[len(parts)-1], 10, 64)
	if len(parts) != 3 || err != nil || !now.Before(time.Unix(seconds, 0)) {
		return "", "", until, false
	}
	return parts[0], parts[1], time.Unix(seconds, 0), true
}

// takePreviewCookies removes the cookies that ask for previews from a header, and returns their values. All others stay as they came.
func takePreviewCookies(h http.Header) (values []string) {
	lines := h["Cookie"]
	if !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, previewCookiePlain) }) {
		return nil
	}
	rest := make([]string, 0, len(lines))
	for _, line := range lines {
		var kept []string
		for pair := range strings.SplitSeq(line, ";") {
			if name, value, _ := strings.Cut(strings.TrimSpace(pair), "="); name == previewCookieSecure || name == previewCookiePlain {
				values = append(values, value)
			} else {
				kept = append(kept, pair)
			}
		}
		if len(kept) > 0 {
			rest = append(rest, strings.TrimPrefix(strings.Join(kept, ";"), " "))
		}
	}
	if h["Cookie"] = rest; len(rest) == 0 {
		delete(h, "Cookie")
	}
	return values
}

// byCookie returns the preview that a browser asks for; ok is false if it asks for none. A cookie that is none of ours, or no longer,
// asks for nothing: another server of the same domain may have set it, and nobody else's page may be made to fail by that.
func (e *Enforcer) byCookie(cookies []string) (asked preview, until time.Time, ok bool) {
	for _, value := range cookies {
		place, at, until, good := e.previews.key.read(value, e.now())
		if !good {
			continue
		}
		var err error
		if asked, err = readPreview(place, at, time.UTC, e.now()); err == nil { // or it is of another version
			return asked, until, true
		}
	}
	return preview{}, until, false
}
