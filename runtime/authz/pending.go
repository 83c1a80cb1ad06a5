package authz

import (
	"cds/parser/csn"
	"cds/parser/diag"
	"cds/runtime/auth"
	"cds/runtime/sqlgen"
)

type policy struct{}
type guard struct{}

// Condition, Element and Key implement sqlgen.Guarder.
func (g *Guard) Condition(e *csn.Entity, use sqlgen.Use) (sqlgen.Condition, error) { panic("pending") }
func (g *Guard) Element(e *csn.Element, use sqlgen.Use) error                      { panic("pending") }
func (g *Guard) Key() string                                                       { panic("pending") }

// Compile compiles the restrictions of a model.
func Compile(m *csn.Model, opt Options) (*Policy, diag.List) { panic("pending") }

// Decide decides one access.
func (p *Policy) Decide(u *auth.User, a Access) Decision { panic("pending") }

// A Row is one privilege of a policy in readable form, for generated code and reports.
type Row struct {
	On        string   // service, entity or operation
	Grant, To []string // sorted; To without entries is "any"
	Where     string   // condition as CDL text, "" for none
}

// Table returns all privileges, sorted. Digest identifies what the policy decides: equal digests mean equal policies.
func (p *Policy) Table() []Row   { panic("pending") }
func (p *Policy) Digest() string { panic("pending") }
