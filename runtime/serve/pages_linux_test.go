package serve

import "testing"

func TestCode(t *testing.T) {
	for line, want := range map[string][2]uintptr{
		"00400000-01200000 r-xp 00000000 fe:00 123 /bin/cds\n": {0x400000, 0x1200000},
		"00400000-01200000 r--p 00000000 fe:00 123 /bin/cds\n": {},
		"00400000-01200000 rwxp 00000000 fe:00 123 /bin/cds\n": {},
		"00400000-01200000 r-xp 00000000 fe:00 123 /lib/x\n":   {},
		"00400000-01200000 r-xp 00000000 00:00 0 [vdso]\n":     {},
		"01200000-00400000 r-xp 00000000 fe:00 123 /bin/cds\n": {},
		"x-y r-xp 00000000 fe:00 123 /bin/cds\n":               {},
		"\n":                                                   {},
	} {
		from, to, ok := code([]byte(line), "/bin/cds")
		if ok != (want[1] > 0) || ok && [2]uintptr{from, to} != want {
			t.Errorf("%q: %x to %x, %v", line, from, to, ok)
		}
	}
	forgetStart() // the test goes on
}
