package geoip

import (
	_ "embed"
	"fmt"

	"github.com/oschwald/maxminddb-golang/v2"
)

// sourceEmbedded is the Origin.Source of the embedded database.
const sourceEmbedded = "embedded"

// embedded lies in the binary as it is, not compressed: its pages are read when they are looked at, and
// cost neither heap nor start time.
//
//go:embed data/ipfire-country.mmdb
var embedded []byte

//go:embed data/NOTICE
var notice string

// Notice returns what the embedded database is, where it comes from, what was changed and under which
// licence it may be passed on.
func Notice() string { return notice }

// openEmbedded opens the embedded database without verifying it: a test has.
func openEmbedded(t terms) (*database, error) {
	reader, err := maxminddb.OpenBytes(embedded, maxminddb.DisableStringCache())
	if err != nil {
		return nil, fmt.Errorf("embedded geoip database: %w; expected a program that was built from complete sources", err)
	}
	d := newDatabase(sourceEmbedded, reader, t)
	d.size = len(embedded)
	return d, nil
}
