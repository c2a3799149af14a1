package acme

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

// The first byte of a value says how it is kept.
const (
	asItIs    = 'p'
	encrypted = 'e' // AES-256-GCM: nonce, ciphertext, tag; the key of the value is authenticated with it
)

// seal encrypts values by a secret, if there is one.
type seal struct{ aead cipher.AEAD }

func newSeal(secret string) (*seal, error) {
	if secret == "" {
		return &seal{}, nil
	}
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "gate451 acme 1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &seal{aead}, err
}

func (s *seal) close(key string, value []byte) []byte {
	if s.aead == nil {
		return append([]byte{asItIs}, value...)
	}
	return s.aead.Seal([]byte{encrypted}, nil, value, []byte(key))
}

// open returns a value as it was before close. With a secret it accepts nothing that was not kept by that secret under that
// key: whoever can write to the Store must not be able to put another certificate there.
func (s *seal) open(key string, kept []byte) ([]byte, error) {
	switch {
	case len(kept) > 0 && kept[0] == asItIs && s.aead == nil:
		return kept[1:], nil
	case len(kept) > 0 && kept[0] == encrypted && s.aead != nil:
		if value, err := s.aead.Open(nil, nil, kept[1:], []byte(key)); err == nil {
			return value, nil
		}
	}
	return nil, fmt.Errorf("%s was not kept by this secret; give every replica the same one, or remove what is kept so that it is issued anew", key)
}
