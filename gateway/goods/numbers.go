package goods

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// decimal returns the length of the longest decimal number that s begins with, sign included, and whether it is
// written without fraction and exponent.
func decimal(s string) (n int, integer bool) {
	i := 0
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		i++
	}
	start := i
	i = digits(s, i)
	whole := i - start
	integer = true
	if i < len(s) && s[i] == '.' {
		end := digits(s, i+1)
		if whole+end-i-1 > 0 {
			integer, i, whole = false, end, 1
		}
	}
	if whole == 0 {
		return 0, false
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		j := i + 1
		if j < len(s) && (s[j] == '+' || s[j] == '-') {
			j++
		}
		if end := digits(s, j); end > j {
			integer, i = false, end
		}
	}
	return i, integer
}

func digits(s string, i int) int {
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return i
}

// plain returns an integer's digits in their shortest form, with a minus where there is one.
func plain(s string) string {
	sign := ""
	if s != "" && (s[0] == '+' || s[0] == '-') {
		if s[0] == '-' {
			sign = "-"
		}
		s = s[1:]
	}
	if s = strings.TrimLeft(s, "0"); s == "" {
		return "0"
	}
	return sign + s
}

// phpInt returns what PHP's (int) and WordPress' absint make of the text, which is the same but for the sign: the
// number that it begins with, without what follows its point. Texts that begin with none are 0, which no shop gives
// to a product; they have no integer here.
func phpInt(text string) string {
	text = strings.TrimLeft(text, " \t\n\r\v\f")
	n, integer := decimal(text)
	if n == 0 {
		return ""
	}
	text = strings.TrimPrefix(text[:n], "-")
	if integer {
		return plain(text)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return ""
	}
	return wrapped(f)
}

// wrapped truncates a float that is not negative as PHP does, which reduces what exceeds 64 bits.
func wrapped(f float64) string {
	if f < 1<<63 {
		return strconv.FormatInt(int64(f), 10)
	}
	f = math.Mod(f, 1<<64)
	if f >= 1<<63 {
		f = 1<<64 - f
	}
	if f >= 1<<63 {
		return ""
	}
	return strconv.FormatInt(int64(f), 10)
}

// unslashed returns the text without NUL bytes and backslashes, as PrestaShop's Tools::getValue does.
func unslashed(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case 0:
		case '\\':
			for i+1 < len(text) && text[i+1] == '0' {
				i++
			}
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

// jsNumber returns the number that JavaScript's unary plus makes of the text (ECMA-262, StringToNumber), if it is an
// integer.
func jsNumber(text string) string {
	text = strings.TrimFunc(text, isBlank)
	if base := jsBase(text); base != 10 {
		if n, err := strconv.ParseUint(text[2:], base, 64); err == nil {
			return strconv.FormatUint(n, 10)
		}
		return ""
	}
	n, integer := decimal(text)
	if n == 0 || n != len(text) {
		return ""
	}
	if integer {
		return plain(text)
	}
	f, err := strconv.ParseFloat(scaled(text), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<63 {
		return ""
	}
	return strconv.FormatInt(int64(f), 10)
}

// storedNumbers returns the integers that databases make of a text where its column holds integers: MySQL takes the
// number that the text begins with, PostgreSQL takes underscores between digits and a sign before 0x. Vendure gives an id to
// its database as it came if the call stands in a named fragment.
func storedNumbers(text string) [2]string {
	text = strings.TrimFunc(text, isBlank)
	n, _ := decimal(text)
	return [2]string{jsNumber(text[:n]), jsNumber(strings.TrimPrefix(strings.ReplaceAll(text, "_", ""), "+"))}
}

// scaled writes a decimal number with no more zeros than it needs. ParseFloat counts exponents to five digits, JavaScript to
// nine, and a hundred thousand zeros make up for such an exponent.
func scaled(text string) string {
	sign, mantissa, exponent := "", text, "0"
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa, exponent = text[:i], text[i+1:]
	}
	if mantissa[0] == '-' || mantissa[0] == '+' {
		sign, mantissa = mantissa[:1], mantissa[1:]
	}
	n, err := strconv.ParseInt(exponent, 10, 32)
	if err != nil {
		return text
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	all := whole + fraction
	significant := strings.TrimRight(all, "0")
	n += int64(len(all) - len(significant) - len(fraction))
	if significant = strings.TrimLeft(significant, "0"); significant == "" {
		return "0"
	}
	return sign + significant + "e" + strconv.FormatInt(n, 10)
}

func jsBase(text string) int {
	if len(text) > 2 && text[0] == '0' {
		switch text[1] | 0x20 {
		case 'x':
			return 16
		case 'o':
			return 8
		case 'b':
			return 2
		}
	}
	return 10
}

// pythonInt returns the integer that Python's int() makes of the text: digits of any script, with single underscores
// between them.
func pythonInt(text string) string {
	text = strings.TrimFunc(text, isBlank)
	var b []byte
	digit := false
	for i, r := range text {
		switch d := digitOf(r); {
		case d >= 0:
			b, digit = append(b, byte('0'+d)), true
		case i == 0 && (r == '+' || r == '-'):
			b = append(b, byte(r))
		case r == '_' && digit:
			digit = false
		default:
			return ""
		}
	}
	if !digit {
		return ""
	}
	return plain(string(b))
}

// digitOf returns the value of a decimal digit of any script, and -1 for everything else. Unicode has them in runs of
// ten from nought to nine.
func digitOf(r rune) int {
	if r < utf8.RuneSelf {
		if '0' <= r && r <= '9' {
			return int(r - '0')
		}
		return -1
	}
	for _, in := range unicode.Nd.R16 {
		if rune(in.Lo) <= r && r <= rune(in.Hi) {
			return int(r-rune(in.Lo)) % 10
		}
	}
	for _, in := range unicode.Nd.R32 {
		if rune(in.Lo) <= r && r <= rune(in.Hi) {
			return int(r-rune(in.Lo)) % 10
		}
	}
	return -1
}
