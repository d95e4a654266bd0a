// Package greeting knows what to say.
package greeting

import _ "embed"

//go:embed name.txt
var name string

// Text is the whole greeting.
func Text() string { return "Hello from " + name }
