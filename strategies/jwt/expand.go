package jwt

import "cds/runtime/config"

// Expand returns the section requires.auth laid over what its provider stands for, if it names one: settings of jwt, claims and token. Errors name the
// setting that the provider needs besides.
func Expand(cfg config.Section) (config.Section, error) { return expand(cfg) }
