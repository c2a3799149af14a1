package rules

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"strings"
)

// Token is what a policy knows of a secret that a client shows to be exempt: its SHA-256 digest, from which a random secret cannot
// be found. The zero Token is none.
type Token [sha256.Size]byte

// LeastTokenBytes is how long a token must be. A policy is read by many, and of what people choose to remember the digest
// gives away the text.
const LeastTokenBytes = 32

// tokenPrefix stands before the digest in a policy.
const tokenPrefix = "sha256:"

// TokenOf returns the Token of a text; zero, which exempts nobody, if it is shorter than LeastTokenBytes.
func TokenOf(text string) Token {
	if len(text) < LeastTokenBytes {
		return Token{}
	}
	return sha256.Sum256([]byte(text))
}

// String returns the token as a policy has it: sha256: and the digest in hexadecimal.
func (t Token) String() string { return tokenPrefix + hex.EncodeToString(t[:]) }

// among reports whether the token is one of a list. How long it takes says nothing about any of them.
func (t Token) among(all []Token) bool {
	if t == (Token{}) {
		return false
	}
	found := 0
	for i := range all {
		found |= subtle.ConstantTimeCompare(t[:], all[i][:])
	}
	return found == 1
}

func parseToken(text string) (t Token, err error) {
	digits, ok := strings.CutPrefix(text, tokenPrefix)
	digest, wrong := hex.DecodeString(digits)
	if !ok || wrong != nil || len(digest) != len(t) || digits != strings.ToLower(digits) {
		// The text is not repeated: it may be the secret itself.
		return t, errors.New("a token is given by its digest; write sha256: and the 64 digits that sha256sum prints for it")
	}
	return Token(digest), nil
}
