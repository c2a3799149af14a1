package goods

import (
	"encoding/base64"
	"strings"
)

// globalIDs returns the global ids that the text may stand for: gid://shopify/ProductVariant/7, as it is or in base64,
// and ProductVariant:7, which Relay's rules have in base64 only. A SKU may look like that.
func globalIDs(text string) []string {
	if strings.HasPrefix(text, "gid://") && isGlobalID(text) {
		return []string{text}
	}
	if len(text) < 4 || digits(text, 0) == len(text) {
		return nil
	}
	var names []string
	if name := strings.TrimFunc(decodedBase64(text), isBlank); isGlobalID(name) {
		names = append(names, name)
	}
	if strings.ContainsAny(text, "-_") {
		if name := strings.TrimFunc(decodedBase64(strings.NewReplacer("-", "+", "_", "/").Replace(text)), isBlank); isGlobalID(name) {
			names = append(names, name)
		}
	}
	return names
}

// isGlobalID reports whether a text has a type and, after a colon, an id.
func isGlobalID(text string) bool {
	kind, id, ok := strings.Cut(text, ":")
	if !ok || kind == "" || id == "" {
		return false
	}
	for i := range len(kind) {
		if c := kind[i]; c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	for i := range len(id) {
		if id[i] < ' ' && !isBlank(rune(id[i])) || id[i] == 0x7f {
			return false
		}
	}
	return true
}

// tailOf returns the id within a global id.
func tailOf(name string) string {
	if cut := strings.IndexAny(name, "?#"); cut >= 0 {
		name = name[:cut]
	}
	name = strings.TrimRight(name, "/")
	return strings.TrimFunc(name[strings.LastIndexAny(name, ":/")+1:], isBlank)
}

// decodedBase64 decodes as leniently as Python does: foreign characters are dropped, and what follows the padding too.
func decodedBase64(text string) string {
	kept := make([]byte, 0, len(text))
	pads := 0
	for i := range len(text) {
		c := text[i]
		switch {
		case c == '=' && len(kept)%4 >= 2:
			pads++
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '+', c == '/':
			kept, pads = append(kept, c), 0
		}
		if pads > 0 && len(kept)%4+pads >= 4 {
			break
		}
	}
	n, err := base64.RawStdEncoding.Decode(kept, kept)
	if err != nil {
		return ""
	}
	return string(kept[:n])
}
