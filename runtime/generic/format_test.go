package generic

import "testing"

// TestPatterns: what matches is what JavaScript's `new RegExp(p, 'u').test(s)` says.
func TestPatterns(t *testing.T) {
	for _, tt := range []struct {
		pattern    string
		yes, no    []string
		unsuitable bool
	}{
		{pattern: `^[a-z]{2}-[0-9]+$`, yes: []string{"ab-1"}, no: []string{"ab-1\n", "AB-1", "xab-1"}},
		{pattern: `@`, yes: []string{"a@b"}, no: []string{""}},
		{pattern: `^a.c$`, yes: []string{"abc", "a😀c"}, no: []string{"a\nc", "a\rc", "a\u2028c"}},
		{pattern: `^\s$`, yes: []string{" ", "\u00a0", "\v", "\ufeff"}, no: []string{"x", "\u200b"}},
		{pattern: `^\S$`, yes: []string{"x", "\u200b"}, no: []string{" ", "\u00a0"}},
		{pattern: `^[\s,]$`, yes: []string{",", "\u2003"}, no: []string{"x"}},
		{pattern: `^[\S]$`, yes: []string{"x"}, no: []string{"\u2003", " "}},
		{pattern: `^\d$`, yes: []string{"1"}, no: []string{"١"}},
		{pattern: `^\w+$`, yes: []string{"a_1"}, no: []string{"ä"}},
		{pattern: `^\u00e4\u{1F600}\x41\cA$`, yes: []string{"ä😀A\x01"}, no: []string{"a"}},
		{pattern: `^\ud83d\ude00$`, yes: []string{"😀"}, no: []string{"a"}},
		{pattern: `^\p{L}+$`, yes: []string{"äß"}, no: []string{"1"}},
		{pattern: `^\p{Letter}\P{Script=Greek}$`, yes: []string{"äb"}, no: []string{"äβ"}},
		{pattern: `^[^]$`, yes: []string{"\n"}, no: []string{""}},
		{pattern: `a[]`, no: []string{"a", ""}},
		{pattern: `^[[:]$`, yes: []string{"[", ":"}, no: []string{"a"}},
		{pattern: `^[\w.-]+@[\w\-]+\.\w{2,}$`, yes: []string{"a.b-c@d-e.fg"}, no: []string{"a@b"}},
		{pattern: `^(?<year>\d{4})-(?:0[1-9]|1[0-2])$`, yes: []string{"2024-02"}, no: []string{"2024-13"}},
		{pattern: `^a/b\/c$`, yes: []string{"a/b/c"}, no: []string{"a"}},
		{pattern: `[\b]`, yes: []string{"\b"}, no: []string{"b"}},
		{pattern: `\bcat\b`, yes: []string{"a cat."}, no: []string{"cats"}},
		{pattern: `^\0$`, yes: []string{"\x00"}, no: []string{"0"}},
		{pattern: `(?=a)`, unsuitable: true},
		{pattern: `(?!a)`, unsuitable: true},
		{pattern: `(?<=a)b`, unsuitable: true},
		{pattern: `(a)\1`, unsuitable: true},
		{pattern: `(?<x>a)\k<x>`, unsuitable: true},
		{pattern: `[a`, unsuitable: true},
		{pattern: `a\`, unsuitable: true},
		{pattern: `\u12`, unsuitable: true},
		{pattern: `\u{110000}`, unsuitable: true},
		{pattern: `\ud83d`, unsuitable: true},
		{pattern: `\p{Nonsense}`, unsuitable: true},
		{pattern: `\p`, unsuitable: true},
		{pattern: `\j`, unsuitable: true},
		{pattern: `a{9999}`, unsuitable: true},
	} {
		re, err := pattern(tt.pattern)
		if (err != nil) != tt.unsuitable {
			t.Errorf("%s: %v", tt.pattern, err)
			continue
		}
		for _, s := range tt.yes {
			if !re.MatchString(s) {
				t.Errorf("%s does not match %q", tt.pattern, s)
			}
		}
		for _, s := range tt.no {
			if re != nil && re.MatchString(s) {
				t.Errorf("%s matches %q", tt.pattern, s)
			}
		}
	}
}

func FuzzPattern(f *testing.F) {
	for _, s := range []string{`^[a-z]{2}-[0-9]+$`, `\u{1F600}`, `[\S\s]`, `(?<a>b)`, `\p{L}[^]`} {
		f.Add(s, "text")
	}
	f.Fuzz(func(t *testing.T, p, s string) {
		if len(p) > 200 {
			return
		}
		if re, err := pattern(p); err == nil {
			re.MatchString(s)
		}
	})
}
