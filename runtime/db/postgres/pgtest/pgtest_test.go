package pgtest

import "testing"

func TestOpen(t *testing.T) {
	first := Open(t)
	second := Copy(t, first)
	if first.Credentials["database"] == second.Credentials["database"] || second.Credentials["host"] == "" {
		t.Errorf("got %v and %v", first.Credentials, second.Credentials)
	}
}
