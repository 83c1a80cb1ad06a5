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
	codeCondition     diag.Code = "authz-condition"
	codeMessage       diag.Code = "authz-message"
	codeRoles         diag.Code = "authz-roles"
	codeMask          diag.Code = "authz-mask"
	codeTenant        diag.Code = "authz-tenant"
	codeAuditLog      diag.Code = "authz-audit-log"
	codeNoEffect      diag.Code = "authz-no-effect"
)

// Messages documents the codes of this package.
func Messages() diag.Catalogue {
	return diag.Catalogue{
		codeRestrictForm: {Severity: diag.Error, Title: "@restrict has a form that is not understood",
			Explain: "@restrict takes a list of privileges, each with grant or deny, to, where, if and message. Anything else would be ignored elsewhere and open the resource.",
			Wrong:   "service S { @restrict: { grant: 'READ', to: 'Viewer' } entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }", Right: "service S { @restrict: [{ grant: 'READ', to: 'Viewer' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }"},
		codeRequiresForm: {Severity: diag.Error, Title: "@requires has a form that is not understood",
			Explain: "@requires takes a role, or a list of roles of which one is needed.",
			Wrong:   "service S { @requires entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }", Right: "service S { @requires: 'admin' entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }"},
		codeMisspelt: {Severity: diag.Error, Title: "An annotation looks like a misspelt restriction",
			Explain: "Unknown annotations are allowed, so a misspelt restriction would silently leave the resource open.",
			Wrong:   "service S { @require: 'admin' entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }", Right: "service S { @requires: 'admin' entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }"},
		codeProperty: {Severity: diag.Error, Title: "A privilege has an unknown property",
			Explain: "The properties of a privilege are grant or deny, to, where, if and message. A misspelt where would grant without a filter.",
			Wrong:   "service S { @restrict: [{ grant: 'READ', were: 'owner = $user' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }", Right: "service S { @restrict: [{ grant: 'READ', where: 'owner = $user' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }"},
		codeGrant: {Severity: diag.Error, Title: "A grant names no event",
			Explain: "Events are READ, CREATE, UPDATE, DELETE, UPSERT, WRITE, * and the names of operations, in exact spelling. On an operation only its own name and * make sense.",
			Wrong:   "service S { @restrict: [{ grant: 'read' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }", Right: "service S { @restrict: [{ grant: 'READ' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }"},
		codeTo: {Severity: diag.Error, Title: "A privilege has a faulty list of roles",
			Explain: "to takes a role or a list of roles.", Wrong: "service S { @restrict: [{ to: admin }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }", Right: "service S { @restrict: [{ to: 'admin' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }"},
		codeWhere: {Severity: diag.Error, Title: "A condition is not understood",
			Explain: "The condition must parse, and all its names must be elements of the restricted entity. On services and operations it may only use $user, $now and constants.",
			Wrong:   "service S { @restrict: [{ grant: 'READ', where: 'ownr = $user' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }", Right: "service S { @restrict: [{ grant: 'READ', where: 'owner = $user' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }"},
		codeGrantsNothing: {Severity: diag.Warning, Title: "A restriction grants nothing to anybody",
			Explain: "Empty lists, empty texts and null grant nothing. Write @requires: 'any' to open a resource, @restrict: null to remove an inherited restriction.",
			Wrong:   "service S { @restrict: [] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }", Right: "service S { @restrict: [{ grant: 'READ', to: 'Auditor' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }"},
		codeSibling: {Severity: diag.Error, Title: "An unrestricted entity shows what a restricted one of the same service hides",
			Explain: "Another entity of the service reads the same source and is restricted. Say what holds for this one, be it @requires: 'any'.",
			Wrong:   "context db { entity Customers { key ID : Integer; name : String; } } service S { @requires: 'admin' entity Customers as projection on db.Customers; entity Names as select from db.Customers { ID, name }; }", Right: "context db { entity Customers { key ID : Integer; name : String; } } service S { @requires: 'admin' entity Customers as projection on db.Customers; @requires: 'any' entity Names as select from db.Customers { ID, name }; }"},
		codeCondition: {Severity: diag.Error, Title: "A named condition is not understood",
			Explain: "`if` of a privilege names conditions that hold in addition to where. They are annotations @authz.condition.NAME of the entity, of an aspect that it includes, of what it projects or, if they look at no row, of its service.",
			Wrong:   "service S { @authz.condition.own: (owner = $user) @restrict: [{ grant: 'READ', if: 'mine' }] entity Books { key ID : Integer; owner : String; } }", Right: "service S { @authz.condition.own: (owner = $user) @restrict: [{ grant: 'READ', if: 'own' }] entity Books { key ID : Integer; owner : String; } }"},
		codeMessage: {Severity: diag.Error, Title: "The message of a privilege is no text",
			Explain: "`message` of a privilege is the text of a 403, or the key of one as {i18n>KEY}.",
			Wrong:   "service S { @restrict: [{ grant: 'READ', to: 'clerk', message: 403 }] entity Books { key ID : Integer; } }", Right: "service S { @restrict: [{ grant: 'READ', to: 'clerk', message: 'Only clerks see books.' }] entity Books { key ID : Integer; } }"},
		codeMask: {Severity: diag.Error, Title: "A mask is not understood",
			Explain: "@mask on an element shows something else in the place of its value: `value`, a text for strings, an integer for integers, null for all types; `expr`, an expression in parentheses on the same row that yields the element's type; `fn`, one of last(n), first(n), email, round(n), year and month; or `go`, a function of the application. `unless` names the roles that see the value, or exemptions with `to`, `where` and `if`; `write` the roles that change it without seeing it. Keys, associations, structures, arrays, binary data, virtual elements and entity tags cannot be masked.",
			Wrong:   "service S { @requires: 'clerk' entity Books { key ID : Integer; @mask: 'secret' cost : Integer; } }", Right: "service S { @requires: 'clerk' entity Books { key ID : Integer; @mask: { value: 0, unless: 'buyer' } cost : Integer; } }"},
		codeRoles: {Severity: diag.Error, Title: "A hierarchy of roles is not understood",
			Explain: "@roles on a service says which roles a role includes. Roles that are included must be known, no role may include itself, and pseudo-roles such as any take no part.",
			Wrong:   "@roles: { admin: ['edtior'] } service S { @requires: 'editor' entity Books { key ID : Integer; } }", Right: "@roles: { admin: ['editor'] } service S { @requires: 'editor' entity Books { key ID : Integer; } }"},
		codeAuditLog: {Severity: diag.Error, Title: "An entity cannot show the audit log",
			Explain: "@audit.log makes an entity of a service show the records of the audit log. It needs @cds.persistence.exists and @readonly, a restriction to a role, the key ID and the element tenant; its elements are some of those that records have. Nothing else of the model may lead to it.",
			Wrong:   "service Audit { @audit.log @readonly @cds.persistence.exists entity Records { key ID : String; tenant : String; event : String; } }", Right: "@requires: 'audit-reader' service Audit { @audit.log @readonly @cds.persistence.exists entity Records { key ID : String; tenant : String; event : String; } }"},
		codeNoEffect: {Severity: diag.Error, Title: "A restriction stands where nothing asks it",
			Explain: "@requires and @restrict count on services, entities, operations, events and elements of entities and events, masks on elements. On types, within arrays, on parameters and on what operations return they would close nothing.",
			Wrong:   "service S { entity Books { key ID : Integer; lots : many { @requires: 'buyer' cost : Integer; }; } }", Right: "service S { entity Books { key ID : Integer; @requires: 'buyer' lots : many { cost : Integer; }; } }"},
		codeTenant: {Severity: diag.Error, Title: "Rows are not bound to a tenant",
			Explain: "Where some tables have a column with @tenant, all that services read are either bound to the tenant or marked as everybody's by @tenant: false.",
			Wrong:   "context db { entity Orders { key ID : UUID; @tenant tenant : String; } entity Notes { key ID : UUID; } } service S { entity Orders as projection on db.Orders; entity Notes as projection on db.Notes; }", Right: "context db { entity Orders { key ID : UUID; @tenant tenant : String; } @tenant: false entity Notes { key ID : UUID; } } service S { entity Orders as projection on db.Orders; entity Notes as projection on db.Notes; }"},
		codeRootHidden: {Severity: diag.Warning, Title: "A composition child cannot follow its root",
			Explain: "A child without a restriction of its own is visible where its root is. Here the entity leaves out the elements that lead to the root, so nobody may read it.",
			Wrong:   "context db { entity Orders { key ID : Integer; owner : String; items : Composition of many Items on items.order = $self; } entity Items { key ID : Integer; order : Association to Orders; } } service S { @restrict: [{ grant: '*', where: 'owner = $user' }] entity Orders as projection on db.Orders excluding { items }; entity Items as projection on db.Items excluding { order }; }", Right: "context db { entity Orders { key ID : Integer; owner : String; items : Composition of many Items on items.order = $self; } entity Items { key ID : Integer; order : Association to Orders; } } service S { @restrict: [{ grant: '*', where: 'owner = $user' }] entity Orders as projection on db.Orders excluding { items }; entity Items as projection on db.Items; }"},
	}
}
