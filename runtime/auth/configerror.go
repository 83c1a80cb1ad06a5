package auth

import (
	"encoding/json"
	"strings"
)

// A ConfigError is a configuration that a strategy cannot work with. It stops the start. Its texts never hold the value of a secret.
type ConfigError struct {
	// Key is the whole path of the setting, such as "requires.auth.jwt.audience" or "requires.auth.jwt.keys[0].publicKey".
	Key string
	// Message says what is wrong or missing, and what was expected.
	Message string
	// Example is a value that would do, as JSON: `"my-api"`. "" for none.
	Example string
}

// Missing says that a setting is needed. why completes "is missing: ", such as "tokens for other applications would be accepted".
func Missing(key, why, example string) *ConfigError {
	m := "is missing"
	if why != "" {
		m += ": " + why
	}
	return &ConfigError{Key: key, Message: m, Example: example}
}

// Error names the setting and what is wrong with it.
func (e *ConfigError) Error() string { return e.Key + ": " + e.Message }

// Hint says where to write the setting: in .cdsrc.json, and as an environment variable where the key can be one; a secret where it is not shared. "" without
// an example.
func (e *ConfigError) Hint() string {
	v := e.asVariable()
	switch {
	case e.Example == "":
		return ""
	case !e.secret() && v == "":
		return "set it in .cdsrc.json: " + e.asJSON()
	case !e.secret():
		return "set it in .cdsrc.json: " + e.asJSON() + ", or in the environment: " + v
	case v == "":
		return "set it in .cdsrc-private.json, which is not shared: " + e.asJSON()
	}
	return "set it in the environment or in .env: " + v + ", or in .cdsrc-private.json, which is not shared: " + e.asJSON()
}

// secret reports whether the value is nobody's business.
func (e *ConfigError) secret() bool {
	name := strings.ToLower(e.Key[strings.LastIndexByte(e.Key, '.')+1:])
	return strings.Contains(name, "secret") || strings.Contains(name, "password") || name == "credentials" || strings.HasPrefix(name, "privatekey")
}

// At returns the error for a section at another place: what was said of from, such as "requires.auth", is said of to.
func (e *ConfigError) At(from, to string) *ConfigError {
	c := *e
	if rest, ok := strings.CutPrefix(e.Key, from); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
		c.Key = to + rest
	}
	return &c
}

// asJSON is the example with the sections around it.
func (e *ConfigError) asJSON() string {
	var open, end strings.Builder
	for part := range strings.SplitSeq(e.Key, ".") {
		name, index, isList := strings.Cut(part, "[")
		open.WriteString(`{ "` + name + `": `)
		closing := " }"
		if isList {
			open.WriteString("[ ")
			if !strings.HasPrefix(index, "0]") {
				open.WriteString("…, ")
			}
			closing = " ] }"
		}
		before := end.String()
		end.Reset()
		end.WriteString(closing + before)
	}
	return open.String() + e.Example + end.String()
}

// asVariable is the example as an environment variable; "" where the key cannot be written as one. Names in upper case are read in lower case, so
// a key with capitals is written as it is.
func (e *ConfigError) asVariable() string {
	if strings.ContainsAny(e.Key, "[_-*\" ") {
		return ""
	}
	name := "cds_" + strings.ReplaceAll(e.Key, ".", "_")
	if e.Key == strings.ToLower(e.Key) {
		name = strings.ToUpper(name)
	}
	value := e.Example
	var text string
	if json.Unmarshal([]byte(value), &text) == nil {
		value = text
	}
	if strings.ContainsAny(value, " \t\"'{}[]$&;<>|*?()\\`") {
		value = "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
	}
	return name + "=" + value
}
