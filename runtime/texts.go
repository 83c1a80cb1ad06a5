package cds

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Texts are the translated texts of an application: package i18n reads them from files.
type Texts interface {
	// Text returns the text for a key in a locale, or in the languages that stand in for it. false if there is none.
	Text(locale, key string) (string, bool)
}

// Text returns the text for a key in the language of the request that ctx belongs to, with {0}, {1} replaced by args. A key without a text is
// returned as it is.
func Text(ctx context.Context, key string, args ...any) string {
	s := scopeOf(ctx)
	if s == nil || s.app == nil || s.app.Options.Texts == nil {
		return key
	}
	text, ok := s.app.Options.Texts.Text(LocaleFrom(ctx), trimKey(key))
	if !ok {
		return key
	}
	return fillText(text, args)
}

// trimKey takes the frame off a key as annotations write it: {i18n>KEY} and i18n>KEY.
func trimKey(key string) string {
	if k, ok := strings.CutPrefix(key, "{"); ok && strings.HasSuffix(k, "}") {
		key = strings.TrimSuffix(k, "}")
	}
	return strings.TrimPrefix(key, "i18n>")
}

// fillText replaces {0}, {1}, … by args. Placeholders without an argument stay.
func fillText(text string, args []any) string {
	if len(args) == 0 || !strings.Contains(text, "{") {
		return text
	}
	var b strings.Builder
	for {
		open := strings.IndexByte(text, '{')
		if open < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:open])
		text = text[open:]
		end := strings.IndexByte(text, '}')
		if end < 0 {
			b.WriteString(text)
			return b.String()
		}
		if n, err := strconv.Atoi(text[1:end]); err == nil && n >= 0 && n < len(args) {
			fmt.Fprint(&b, args[n])
		} else {
			b.WriteString(text[:end+1])
		}
		text = text[end+1:]
	}
}

// translate gives an error and its details their texts in a language: that of the message, if it is a key, else that of the code. The error
// given is not changed, as it may be shared.
func (a *App) translate(e *Error, locale string) *Error {
	if a.Options.Texts == nil {
		if !strings.HasPrefix(trimBrace(e.Message), "i18n>") && len(e.Details) == 0 {
			return e
		}
	}
	c := *e
	c.Message = a.textOf(locale, e.Message, e.Key, e.Code, e.Args)
	c.Details = nil
	for _, d := range e.Details {
		c.Details = append(c.Details, a.translate(d, locale))
	}
	return &c
}

func trimBrace(s string) string { return strings.TrimPrefix(s, "{") }

func (a *App) textOf(locale, message, key, code string, args []any) string {
	plain := trimKey(message)
	if a.Options.Texts == nil {
		return plain
	}
	for _, k := range [...]string{plain, key} {
		if !isKey(k) {
			continue
		}
		if text, ok := a.Options.Texts.Text(locale, k); ok {
			return fillText(text, args)
		}
	}
	if message == "" {
		if text, ok := a.Options.Texts.Text(locale, code); ok {
			return fillText(text, args)
		}
	}
	return plain
}

// isKey tells texts that may be keys: without blanks.
func isKey(s string) bool { return s != "" && len(s) < 200 && !strings.ContainsAny(s, " \t\n") }
