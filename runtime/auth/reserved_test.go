package auth

import "testing"

func TestReserved(t *testing.T) {
	for id, want := range map[string]bool{"anonymous": true, "Anonymous": true, "privileged": true, "PRIVILEGED": true, "*": true, "": false, "alice": false, "anonymous2": false, "system": false} {
		if got := ReservedID(id); got != want {
			t.Errorf("id %q: %v", id, got)
		}
	}
	for role, want := range map[string]bool{"any": true, "authenticated-user": true, "system-user": true, "internal-user": true, "Any": false, "": false, "admin": false} {
		if got := ReservedRole(role); got != want {
			t.Errorf("role %q: %v", role, got)
		}
	}
}
