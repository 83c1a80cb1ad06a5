package authz

import "cds/parser/diag"

// The codes of the policy compiler's findings.
const (
	codeRestrictForm  diag.Code = "authz-restrict-form"
	codeRequiresForm  diag.Code = "authz-requires-form"
	codeMisspelt      diag.Code = "authz-misspelt"
	codeProperty      diag.Code = "authz-privilege-property"
	codeGrant         diag.Code = "authz-grant"
	codeTo            diag.Code = "authz-to"
	codeWhere         diag.Code = "authz-where"
	codeGrantsNothing diag.Code = "authz-grants-nothing"
	codeSibling       diag.Code = "authz-sibling-open"
	codeRootHidden    diag.Code = "authz-root-out-of-reach"
)

// Messages documents the codes of this package.
func Messages() diag.Catalogue {
	return diag.Catalogue{
		codeRestrictForm: {Severity: diag.Error, Title: "@restrict has a form that is not understood",
			Explain: "@restrict takes a list of privileges, each with grant, to and where. Anything else would be ignored elsewhere and open the resource.",
			Wrong:   "@restrict: { grant: 'READ', to: 'Viewer' }", Right: "@restrict: [{ grant: 'READ', to: 'Viewer' }]"},
		codeRequiresForm: {Severity: diag.Error, Title: "@requires has a form that is not understood",
			Explain: "@requires takes a role, or a list of roles of which one is needed.",
			Wrong:   "@requires", Right: "@requires: 'admin'"},
		codeMisspelt: {Severity: diag.Error, Title: "An annotation looks like a misspelt restriction",
			Explain: "Unknown annotations are allowed, so a misspelt restriction would silently leave the resource open.",
			Wrong:   "@require: 'admin'", Right: "@requires: 'admin'"},
		codeProperty: {Severity: diag.Error, Title: "A privilege has an unknown property",
			Explain: "The properties of a privilege are grant, to and where. A misspelt where would grant without a filter.",
			Wrong:   "@restrict: [{ grant: 'READ', were: 'owner = $user' }]", Right: "@restrict: [{ grant: 'READ', where: 'owner = $user' }]"},
		codeGrant: {Severity: diag.Error, Title: "A grant names no event",
			Explain: "Events are READ, CREATE, UPDATE, DELETE, UPSERT, WRITE, * and the names of operations, in exact spelling. On an operation only its own name and * make sense.",
			Wrong:   "@restrict: [{ grant: 'read' }]", Right: "@restrict: [{ grant: 'READ' }]"},
		codeTo: {Severity: diag.Error, Title: "A privilege has a faulty list of roles",
			Explain: "to takes a role or a list of roles.", Wrong: "@restrict: [{ to: admin }]", Right: "@restrict: [{ to: 'admin' }]"},
		codeWhere: {Severity: diag.Error, Title: "A condition is not understood",
			Explain: "The condition must parse, and all its names must be elements of the restricted entity. On services and operations it may only use $user, $now and constants.",
			Wrong:   "@restrict: [{ grant: 'READ', where: 'ownr = $user' }]", Right: "@restrict: [{ grant: 'READ', where: 'owner = $user' }]"},
		codeGrantsNothing: {Severity: diag.Warning, Title: "A restriction grants nothing to anybody",
			Explain: "Empty lists, empty texts and null grant nothing. Write @requires: 'any' to open a resource, @restrict: null to remove an inherited restriction.",
			Wrong:   "@restrict: []", Right: "@restrict: [{ grant: 'READ', to: 'Auditor' }]"},
		codeSibling: {Severity: diag.Error, Title: "An unrestricted entity shows what a restricted one of the same service hides",
			Explain: "Another entity of the service reads the same source and is restricted. Say what holds for this one, be it @requires: 'any'.",
			Wrong:   "entity Names as select from db.Customers { name }", Right: "@requires: 'any' entity Names as select from db.Customers { name }"},
		codeRootHidden: {Severity: diag.Warning, Title: "A composition child cannot follow its root",
			Explain: "A child without a restriction of its own is visible where its root is. Here the entity leaves out the elements that lead to the root, so nobody may read it.",
			Wrong:   "entity Items as projection on db.Items excluding { order }", Right: "@requires: 'admin' entity Items as projection on db.Items excluding { order }"},
	}
}
