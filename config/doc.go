// Package config answers the question: what did the operator ask for in gateway.yaml?
//
// [Load] reads the file strictly and goes on after every mistake, so that one run reports all of them,
// each with its line and column. What it returns is complete: defaults are filled in, environment
// variables applied, values parsed into their types, paths absolute and secrets read.
package config
