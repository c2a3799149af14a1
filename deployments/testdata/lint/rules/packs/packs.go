// Package packs is below rules and may do no more than rules may.
package packs

import _ "os" // want depguard.
