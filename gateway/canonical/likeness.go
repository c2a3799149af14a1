package canonical

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// signs are characters that Unicode does not decompose and that the best-fit mappings of Windows code pages
// turn into a sign with a meaning in paths.
var signs = map[rune]rune{'⁄': '/', '∕': '/', '∖': '\\', '⧵': '\\', '¥': '\\', '₩': '\\'}

// letters are letters that Unicode does not decompose and that best-fit mappings or the collations of MySQL
// take for a plain one.
var letters = map[rune]rune{
	'ı': 'i', 'ø': 'o', 'Ø': 'O', 'ł': 'l', 'Ł': 'L', 'đ': 'd', 'Đ': 'D', 'ħ': 'h', 'Ħ': 'H', 'ŧ': 't', 'Ŧ': 'T', 'ß': 's', 'ẞ': 'S',
}

// sharps writes the sharp s as two letters, as full case folding does (Unicode, CaseFolding.txt, status F) and with it
// collations; letter by letter it would become one.
var sharps = strings.NewReplacer("ß", "ss", "ẞ", "ss")

// compatible reads full-width forms, ligatures and other compatibility characters as the plain ones
// (Unicode's form NFKC), every blank as the blank, and what is invisible not at all.
func compatible(path string) string {
	return mapRunes(norm.NFKC.String(path), func(r rune) rune {
		switch sign, ok := signs[r]; {
		case ok:
			return sign
		case unicode.Is(unicode.Cf, r):
			return -1
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	})
}

// unaccented reads letters without their marks, as a shop does that looks paths up in a database table.
func unaccented(path string) string {
	return mapRunes(norm.NFD.String(path), func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		if letter, ok := letters[r]; ok {
			return letter
		}
		return r
	})
}

// mapRunes is strings.Map for characters beyond ASCII; bytes that are no UTF-8 stay, but for the no-break
// space of Latin-1.
func mapRunes(text string, read func(rune) rune) string {
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r < utf8.RuneSelf:
			b.WriteByte(text[i])
		case r != utf8.RuneError || size > 1:
			if r = read(r); r >= 0 {
				b.WriteRune(r)
			}
		case text[i] == 0xa0:
			b.WriteByte(' ')
		default:
			b.WriteByte(text[i])
		}
		i += size
	}
	return b.String()
}
