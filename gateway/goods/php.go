package goods

import "strings"

// phpParam returns the name under which PHP registers a parameter (main/php_variables.c, php_register_variable_ex): a
// NUL ends it, leading blanks are cut, blanks and dots become underscores up to the first bracket, and so does a bracket
// that is never closed. Brackets nest, and what stands behind the last of them is dropped.
func phpParam(name string) string {
	if i := strings.IndexByte(name, 0); i >= 0 {
		name = name[:i]
	}
	name = strings.TrimLeft(name, " ")
	base, indices := name, ""
	if i := strings.IndexByte(name, '['); i >= 0 {
		base, indices = name[:i], name[i:]
	}
	if base == "" {
		return ""
	}
	end := 0
	for end < len(indices) && indices[end] == '[' {
		n := strings.IndexByte(indices[end:], ']')
		if n < 0 {
			break
		}
		end += n + 1
	}
	if indices != "" && end == 0 {
		base, indices = name, ""
	}
	if strings.ContainsAny(base, " .[") {
		changed := []byte(base)
		for i, c := range changed {
			if c == ' ' || c == '.' || c == '[' {
				changed[i] = '_'
			}
		}
		base = string(changed)
	}
	return base + indices[:end]
}
