package authztest

import (
	"cds/parser/csn"
)

// elements makes the cases of an entity's elements.
func (m *maker) elements(s *csn.Service, e *csn.Entity) {}

func (x *runner) element(c *Case) {}
