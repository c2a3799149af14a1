package refusal

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"gate451/rules"
)

// words are the messages of one language. The tags are the keys of its file; of a message, the words in braces that it
// must have. A file of the operator's may leave out any message that the language has already.
type words struct {
	Title string `key:"title"`
	// What cannot be done, by kind; and that something cannot be, where it is not known whether the law forbids it.
	Purchase     string `key:"purchase" has:"{products}"`
	Update       string `key:"update" has:"{products}"`
	Access       string `key:"access" has:"{products}"`
	Undetermined string `key:"undetermined"`
	// How goods are named in these sentences: those without a name, those of a maker, and several.
	These string `key:"these"`
	Goods string `key:"goods" has:"{name}"`
	Comma string `key:"comma"`
	And   string `key:"and"`
	// What the sentence means, and what the other sentence does.
	Meaning string `key:"meaning"`
	Caution string `key:"caution"`
	// What is not known, by reason. None of them tells how to get past.
	UnknownCountry      string `key:"unknown_country"`
	PrivateNetwork      string `key:"private_network"`
	ClientAddress       string `key:"client_address"`
	StaleDatabase       string `key:"stale_database"`
	Anonymized          string `key:"anonymized"`
	UndeterminedProduct string `key:"undetermined_product"`
	Unexplained         string `key:"unexplained"`
	// The labels of facts, and what the reference is for.
	Products     string `key:"products"`
	Country      string `key:"country"`
	Basis        string `key:"basis"`
	Since        string `key:"since"`
	Until        string `key:"until"`
	Alternatives string `key:"alternatives"`
	Contact      string `key:"contact"`
	Reference    string `key:"reference"`
	Quote        string `key:"quote"`
	// What is said beforehand of a sentence that will hold. A language without it is told in English.
	Notice string `key:"notice" has:"{date} {sentence}" optional:"yes"`
	// How a date is written. Months are needed where it has {month}; digits, ten of them, where they are not 0 to 9.
	Date   string   `key:"date" has:"{day} {year} {time}" may:"{month} {number}"`
	Months []string `key:"months" optional:"yes"`
	Digits string   `key:"digits" optional:"yes"`
}

// Messages are the operator's words of one language.
type Messages struct {
	// Language is its BCP 47 tag.
	Language string
	// File is named in errors, and Text is what it holds: a YAML mapping of messages.
	File string
	Text []byte
}

const (
	// MostWords bounds a file of messages, in bytes.
	MostWords = 64 << 10
	// mostMessage bounds a message, in characters.
	mostMessage = 500
)

// into puts the operator's words in the place of those that come with the program.
func (m Messages) into(known map[string]words) error {
	l, err := newLanguage(m.Language, words{})
	if err != nil {
		return &Fault{"messages", err.Error()}
	}
	if len(m.Text) > MostWords {
		return rules.Problems{{File: m.File, Line: 1, Column: 1, Message: fmt.Sprintf("the file has more than %d bytes; write the messages of one language, and nothing else", MostWords)}}
	}
	w := known[l.code]
	w.Months = slices.Clone(w.Months)
	if problems := w.read(m.File, m.Text); len(problems) > 0 {
		return problems
	}
	if missing := w.missing(); len(missing) > 0 {
		return rules.Problems{{File: m.File, Line: 1, Column: 1, Message: fmt.Sprintf("language %s is new, and has no %s; write all messages, as gate451 refusal messages en prints them", l.code, strings.Join(missing, ", "))}}
	}
	known[l.code] = w
	return nil
}

// missing returns the keys of messages that there must be and are not.
func (w *words) missing() (keys []string) {
	v := reflect.ValueOf(w).Elem()
	for i := range v.NumField() {
		if f := v.Type().Field(i); v.Field(i).IsZero() && f.Tag.Get("optional") == "" {
			keys = append(keys, f.Tag.Get("key"))
		}
	}
	if len(w.Months) == 0 && strings.Contains(w.Date, "{month}") {
		keys = append(keys, "months")
	}
	return keys
}

// read fills the words from a file. What is wrong has its place, and says what would be right.
func (w *words) read(file string, text []byte) (problems rules.Problems) {
	report := func(line, column int, format string, args ...any) {
		problems = append(problems, rules.Problem{File: file, Line: max(1, line), Column: max(1, column), Message: fmt.Sprintf(format, args...)})
	}
	// The parser is not ours, and no mistake in a file may end the program.
	defer func() {
		if reason := recover(); reason != nil {
			report(1, 1, "the YAML parser cannot cope with this file (%v); write key: message, one a line", reason)
		}
	}()
	tree, err := parser.ParseBytes(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		line, column, message := 1, 1, err.Error()
		var located yaml.Error
		if errors.As(err, &located) && located.GetToken() != nil {
			line, column, message = located.GetToken().Position.Line, located.GetToken().Position.Column, located.GetMessage()
		}
		report(line, column, "not YAML: %s; write key: message, one a line, a message with a colon in quotes", strings.Join(strings.Fields(message), " "))
		return problems
	}
	var pairs []*ast.MappingValueNode
	for _, doc := range tree.Docs {
		switch body := doc.Body.(type) {
		case nil:
		case *ast.MappingNode:
			pairs = append(pairs, body.Values...)
		default:
			at := body.GetToken().Position
			report(at.Line, at.Column, "the file is no mapping of messages; write key: message, one a line")
		}
	}
	seen := map[string]int{}
	for _, pair := range pairs {
		at := pair.Key.GetToken().Position
		key := pair.Key.GetToken().Value
		if first, again := seen[key]; again {
			report(at.Line, at.Column, "message %s occurs twice, first on line %d; keep one of the two", key, first)
			continue
		}
		seen[key] = at.Line
		field, known := reflect.TypeFor[words]().FieldByNameFunc(func(name string) bool {
			f, _ := reflect.TypeFor[words]().FieldByName(name)
			return f.Tag.Get("key") == key
		})
		if !known {
			report(at.Line, at.Column, "there is no message %q; the messages are %s", key, strings.Join(messageKeys(), ", "))
			continue
		}
		if place := pair.Value.GetToken().Position; place != nil {
			at = place
		}
		if wrong := w.set(field, pair.Value); wrong != "" {
			report(at.Line, at.Column, "%s", wrong)
		}
	}
	return problems
}

// messageKeys returns the keys of all messages.
func messageKeys() (keys []string) {
	for i := range reflect.TypeFor[words]().NumField() {
		keys = append(keys, reflect.TypeFor[words]().Field(i).Tag.Get("key"))
	}
	return keys
}

// set takes a message over, or says what is wrong with it.
func (w *words) set(field reflect.StructField, node ast.Node) (wrong string) {
	into := reflect.ValueOf(w).Elem().FieldByIndex(field.Index)
	key := field.Tag.Get("key")
	if field.Type.Kind() == reflect.Slice {
		list, ok := node.(*ast.SequenceNode)
		if !ok || len(list.Values) != 12 {
			return key + " is not a list of twelve names; write [January, …, December]"
		}
		var names []string
		for _, entry := range list.Values {
			name, ok := message(entry)
			if !ok {
				return key + " has an entry that is no text; write the name of a month, in quotes if need be"
			}
			names = append(names, name)
		}
		into.Set(reflect.ValueOf(names))
		return ""
	}
	text, ok := message(node)
	switch {
	case !ok:
		return fmt.Sprintf("%s is no text of one line; write one of up to %d characters, in quotes if it has a colon or begins with a sign", key, mostMessage)
	case key == "digits" && utf8.RuneCountInString(text) != 10:
		return "digits are not ten; write the signs for 0 to 9, in quotes"
	}
	rest := text
	for name := range strings.FieldsSeq(field.Tag.Get("has")) {
		if strings.Count(text, name) != 1 {
			return fmt.Sprintf("%s does not have %s once; write it where the value belongs", key, name)
		}
		rest = strings.Replace(rest, name, "", 1)
	}
	for name := range strings.FieldsSeq(field.Tag.Get("may")) {
		rest = strings.Replace(rest, name, "", 1)
	}
	if strings.ContainsAny(rest, "{}") {
		return fmt.Sprintf("%s has a brace too many; the words in braces that it can have are %q", key, strings.TrimSpace(field.Tag.Get("has")+" "+field.Tag.Get("may")))
	}
	into.SetString(text)
	return ""
}

// message returns a node's text, if it is a message: not empty, of one line, and not endless.
func message(node ast.Node) (string, bool) {
	s, ok := node.(*ast.StringNode)
	if !ok || s.Value == "" || utf8.RuneCountInString(s.Value) > mostMessage || s.Value != strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s.Value) {
		return "", false
	}
	return s.Value, true
}
