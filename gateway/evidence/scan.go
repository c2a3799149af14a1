package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
)

// errRecord says that a decision's line is not as this program writes them.
var errRecord = errors.New("the record cannot be read")

// recordKeys are the fields of a record in the order in which they are written.
var recordKeys = [...]string{keyVerdict, keyReason, keyRule, keyActivity, keyProduct, keyCountry, keyClient, keyAt, keyPolicy,
	keyShadow, keyTime, keyReference, keyMethod, keyHost, keyPath, keyDatabase, keyReplica}

// The places of fields in recordKeys.
const (
	fieldVerdict = iota
	fieldReason
	fieldRule
	_
	_
	fieldCountry
	_
	_
	fieldPolicy
	fieldShadow
	fieldTime
	fieldReference
	_
	_
	_
	fieldDatabase
	fieldReplica
)

// fields are the raw values of a record, without quotes but with escapes; the shadow's is what stands in the brackets.
type fields [len(recordKeys)][]byte

// split takes a record apart in one go. Records are written by this package alone, so that the order of the fields is
// known, and reading ten million of them must not take minutes.
func (f *fields) split(line []byte) error {
	for i, key := range recordKeys {
		rest, ok := bytes.CutPrefix(line, []byte(key))
		if !ok {
			return errRecord
		}
		if i == fieldShadow {
			n := listEnd(rest)
			if n < 0 {
				return errRecord
			}
			f[i], line = rest[:n], rest[n:]
			continue
		}
		n := stringEnd(rest)
		if n < 0 {
			return errRecord
		}
		f[i], line = rest[1:n-1], rest[n:]
	}
	if sources, ok := bytes.CutPrefix(line, []byte(keySources)); ok {
		n := stringEnd(sources)
		if n < 0 {
			return errRecord
		}
		line = sources[n:]
	}
	if string(line) != "}" {
		return errRecord
	}
	return nil
}

// stringEnd returns how long the JSON string is that the text begins with; -1 if it does not.
func stringEnd(text []byte) int {
	if len(text) == 0 || text[0] != '"' {
		return -1
	}
	for at := 1; ; {
		quote := bytes.IndexByte(text[at:], '"')
		if quote < 0 {
			return -1
		}
		end := at + quote
		slashes := 0
		for text[end-1-slashes] == '\\' { // the opening quote ends this
			slashes++
		}
		if slashes%2 == 0 {
			return end + 1
		}
		at = end + 1
	}
}

// listEnd returns where the bracket stands that ends a list of strings.
func listEnd(text []byte) int {
	at := 0
	for at < len(text) && text[at] != ']' {
		n := stringEnd(text[at:])
		if n < 0 {
			return -1
		}
		at += n
		if at < len(text) && text[at] == ',' {
			at++
		}
	}
	if at == len(text) {
		return -1
	}
	return at
}

// items calls yield with every raw string of a list.
func items(list []byte, yield func([]byte)) {
	for len(list) > 0 {
		n := stringEnd(list)
		if n < 0 {
			return
		}
		yield(list[1 : n-1])
		list = bytes.TrimPrefix(list[n:], []byte{','})
	}
}

// plain returns a raw value as text.
func plain(raw string) string {
	var text string
	if json.Unmarshal([]byte(`"`+raw+`"`), &text) != nil {
		return raw
	}
	return text
}
