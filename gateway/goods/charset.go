package goods

import (
	"bytes"
	"strings"

	"github.com/tidwall/gjson"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// mostNesting is how deep a JSON text may be nested. PHP's parser goes as far.
const mostNesting = 512

// looksLikeJSON reports whether a content begins as an object or array does, in any encoding of Unicode.
func looksLikeJSON(content []byte) bool {
	i := 0
	for i < len(content) && mayPrecede[content[i]] {
		i++
	}
	return i < len(content) && (content[i] == '{' || content[i] == '[')
}

// mayPrecede are the bytes of white space and byte order marks. A table, because bombs are full of them.
var mayPrecede = [256]bool{' ': true, '\t': true, '\r': true, '\n': true, 0: true, 0xef: true, 0xbb: true, 0xbf: true, 0xfe: true, 0xff: true}

// jsonTexts returns the JSON texts that a content may be: it is read as UTF-8 always, because not every shop looks at
// charset, and as UTF-16 and UTF-32 where charset, byte order mark or NUL bytes tell so. If none is well-formed, the
// content is returned as it is, to be read as far as it goes. sound is false then, and where the charset is a foreign
// one in which the text could mean something else.
func jsonTexts(content []byte, charset string) (texts []string, sound bool) {
	plain := string(bytes.TrimPrefix(content, []byte("\xef\xbb\xbf")))
	nested := tooNested(plain)
	if !nested && gjson.Valid(plain) {
		texts = append(texts, plain)
	}
	for _, e := range encodingsOf(content, charset) {
		decoded, err := e.NewDecoder().Bytes(content)
		if err != nil {
			continue
		}
		if text := string(bytes.TrimPrefix(decoded, []byte("\xef\xbb\xbf"))); !tooNested(text) && gjson.Valid(text) {
			texts = append(texts, text)
		}
	}
	sound = len(texts) > 0 && isUnicode(charset)
	if len(texts) == 0 && !nested {
		texts = []string{plain}
	}
	return texts, sound
}

func encodingsOf(content []byte, charset string) []encoding.Encoding {
	head := content[:min(4, len(content))]
	var all []encoding.Encoding
	if strings.Contains(charset, "32") || bytes.Count(head, []byte{0}) > 1 {
		all = append(all, utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM), utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM))
	}
	if strings.Contains(charset, "16") || strings.Contains(charset, "ucs") || bytes.IndexByte(head, 0) >= 0 ||
		bytes.HasPrefix(head, []byte("\xfe\xff")) || bytes.HasPrefix(head, []byte("\xff\xfe")) {
		all = append(all, unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
			unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM))
	}
	return all
}

// isUnicode reports whether a text in the charset means what it does in ASCII, or is read as UTF-16 and UTF-32.
func isUnicode(charset string) bool {
	switch {
	case charset == "", charset == "us-ascii", charset == "ascii", strings.HasPrefix(charset, "iso-8859-"),
		strings.HasPrefix(charset, "windows-125"), strings.HasPrefix(charset, "latin"):
		return true
	}
	for _, width := range []string{"8", "16", "32"} {
		if rest, ok := strings.CutPrefix(strings.ReplaceAll(charset, "-", ""), "utf"+width); ok {
			return rest == "" || rest == "le" || rest == "be"
		}
	}
	return charset == "ucs-2" || charset == "ucs2"
}

// tooNested reports whether arrays and objects are nested deeper than they may be.
func tooNested(text string) bool {
	if strings.Count(text, "{")+strings.Count(text, "[") <= mostNesting {
		return false
	}
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			if depth++; depth > mostNesting {
				return true
			}
		case '}', ']':
			depth--
		}
	}
	return false
}
