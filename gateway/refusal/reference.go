package refusal

import (
	"crypto/rand"
	"io"
)

// alphabet is Crockford's base 32, which leaves out I, L, O and U: a reference is read aloud and copied by hand.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// NewReference returns a fresh reference, XXXX-XXXX, that carries 40 bits from random. If random is nil, or fails, they
// come from crypto/rand, which does not fail.
func NewReference(random io.Reader) string {
	if random != nil {
		var bits [5]byte
		if _, err := io.ReadFull(random, bits[:]); err == nil {
			return reference(bits)
		}
	}
	// A second array, because one that is handed to an interface is allocated.
	var bits [5]byte
	_, _ = rand.Read(bits[:])
	return reference(bits)
}

// reference spells 40 bits.
func reference(bits [5]byte) string {
	n := uint64(bits[0])<<32 | uint64(bits[1])<<24 | uint64(bits[2])<<16 | uint64(bits[3])<<8 | uint64(bits[4])
	var text [9]byte
	for i := len(text) - 1; i >= 0; i-- {
		if i == 4 {
			text[i] = '-'
			continue
		}
		text[i] = alphabet[n&31]
		n >>= 5
	}
	return string(text[:])
}
