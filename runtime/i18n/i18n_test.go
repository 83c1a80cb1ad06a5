package i18n

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	got, err := Parse("\ufeff# comment\n! too\n\nA = one\nB: two\r\nC three\n  D=\\u00e4\\ud83d\\ude00\\n\\t\\=x\nE = a \\\n    b\nF\nG\\ H = g\\\\\n\\u0049=i\nA=last\n")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"A": "last", "B": "two", "C": "three", "D": "ä😀\n\t=x", "E": "a b", "F": "", "G H": "g\\", "I": "i"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, s := range []string{`A=\u12`, `A=\uzzzz`, `\u=1`} {
		if _, err := Parse(s); err == nil {
			t.Errorf("%q: no error", s)
		}
	}
}

func TestBundle(t *testing.T) {
	b, err := Load(fstest.MapFS{
		"_i18n/messages.properties":              {Data: []byte("A=en\nB=only")},
		"_i18n/messages_de.properties":           {Data: []byte("A=de")},
		"srv/i18n/messages_de_AT.properties":     {Data: []byte("A=at")},
		"db/_i18n/i18n.properties":               {Data: []byte("Label=L\nA=weaker")},
		"app/assets/i18n/messages_fr.properties": {Data: []byte("A=fr")},
		"_i18n/messagesx.properties":             {Data: []byte("A=no")},
	}, "en")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ locale, key, want string }{
		{"", "A", "en"}, {"en", "A", "en"}, {"de", "A", "de"}, {"de_AT", "A", "at"}, {"de-AT", "A", "at"}, {"de_CH", "A", "de"}, {"fr", "A", "fr"},
		{"it", "A", "en"}, {"de", "B", "only"}, {"de", "Label", "L"}, {"de", "missing", ""},
	} {
		if got, _ := b.Text(tt.locale, tt.key); got != tt.want {
			t.Errorf("%s %s: %q, want %q", tt.locale, tt.key, got, tt.want)
		}
	}
	if _, err := Load(fstest.MapFS{"i18n/messages.properties": {Data: []byte(`A=\u1`)}}, ""); err == nil {
		t.Error("a faulty file was taken")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("A = one\\\n two\n\\u00e4: x")
	f.Fuzz(func(t *testing.T, s string) { _, _ = Parse(s) })
}
