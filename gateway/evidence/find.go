package evidence

import (
	"bytes"
	"fmt"
)

// Found is a record that was looked for.
type Found struct {
	// File and Line are where it stands, Index is its place in the log.
	File  string `json:"file"`
	Line  int    `json:"line"`
	Index int64  `json:"index"`
	// Text is the line.
	Text string `json:"text"`
}

// Find returns all records of a log that have a reference, those of previews among them, whose lines say that they are events. It reads the whole log, and does not verify it.
func Find(dir, reference string) ([]Found, error) {
	if reference == "" {
		return nil, fmt.Errorf("no reference to look for; expected one such as 7K3M-9QXA, as the refusal showed it")
	}
	segments, err := listSegments(dir)
	if err != nil {
		return nil, err
	}
	needle := appendField(nil, keyReference, reference)
	var found []Found
	for _, s := range segments {
		if !s.hasLines() {
			continue
		}
		more, err := findIn(dir, s.first, needle)
		found = append(found, more...)
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

func findIn(dir string, first int64, needle []byte) ([]Found, error) {
	r, err := openSegment(dir, first)
	if err != nil {
		return nil, err
	}
	defer r.close()
	var found []Found
	var f fields
	value := needle[len(keyReference)+1 : len(needle)-1]
	for {
		line, _, ok := r.next()
		if !ok {
			return found, r.failure()
		}
		if !bytes.Contains(line, needle) {
			continue
		}
		record, preview := previewOf(line)
		if !preview {
			record = line
		}
		if f.split(record) == nil && bytes.Equal(f[fieldReference], value) {
			found = append(found, Found{r.path, r.number, first + int64(r.number) - 1, string(line)})
		}
	}
}
