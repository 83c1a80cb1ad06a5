package postgres

import (
	"bytes"
	"testing"

	"cds/parser/cqn"
)

// An empty text is no null, whatever memory a connection has: a new one has none, nor has one that has sent a large value.
func TestBind_empty(t *testing.T) {
	large := cqn.String(string(bytes.Repeat([]byte{'x'}, 2<<20)))
	for name, before := range map[string][]cqn.Value{"new": nil, "used": {cqn.String("x")}, "after a large value": {large}} {
		c := &conn{}
		if err := c.bind(before, []uint32{oidText}); err != nil {
			t.Fatal(err)
		}
		if err := c.bind([]cqn.Value{cqn.String(""), cqn.Null, cqn.String("a"), cqn.Bytes(nil)}, []uint32{oidText, oidText, oidText, oidBytea}); err != nil {
			t.Fatal(err)
		}
		if c.values[0] == nil || len(c.values[0]) != 0 || c.values[1] != nil || string(c.values[2]) != "a" || c.values[3] == nil {
			t.Errorf("%s: %q", name, c.values)
		}
	}
}
