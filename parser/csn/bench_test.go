package csn_test

import (
	"os"
	"strings"
	"testing"

	"cds/parser/csn"
)

func BenchmarkRead(b *testing.B) {
	for _, file := range recorded(b) {
		if !strings.HasSuffix(file, "models/authlab.csn.json") {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if m, diags := csn.Read(data); m == nil {
				b.Fatal(diags)
			}
		}
	}
}
