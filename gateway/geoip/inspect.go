package geoip

import (
	"path/filepath"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Inspect opens a database file as Open would, with all that Open looks at before it takes one into use, and describes
// it. What the file calls itself says whether it is one of anonymous networks. The error says why it could not be used.
func Inspect(path string) (Info, error) {
	data, err := readStable(path)
	if err != nil {
		return Info{}, err
	}
	k := countryKind
	if reader, err := maxminddb.OpenBytes(data); err == nil && anonymousName(reader.Metadata.DatabaseType) {
		k = anonymousKind
	}
	d, err := soundDatabase(filepath.Base(path), data, terms{kind: k, choice: Config{}.choice(), known: newAnswers()})
	if err != nil {
		return Info{}, err
	}
	d.path = path
	return d.info(d.reader.Metadata.BuildTime()), nil
}
