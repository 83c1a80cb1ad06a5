package check

import "cds/parser/diag"

// The codes of this package's findings.
const (
	codeRestrictForm diag.Code = "restrict-form"
	codeRequiresForm diag.Code = "requires-form"
	codeMisspelt     diag.Code = "restrict-misspelt"
	codeProperty     diag.Code = "restrict-unknown-property"
	codeGrant        diag.Code = "restrict-unknown-grant"
	codeTo           diag.Code = "restrict-to"
	codeRole         diag.Code = "restrict-role-spelling"
	codeWhere        diag.Code = "restrict-where"
	codeNothing      diag.Code = "restrict-grants-nothing"
	codeNoEffect     diag.Code = "restrict-no-effect"
	codeNullTrap     diag.Code = "restrict-null-attribute"
	codeNotEqual     diag.Code = "restrict-not-equal-list"
	codeTypes        diag.Code = "restrict-type-mismatch"
	codeSibling      diag.Code = "restrict-open-sibling"
	codeOpenView     diag.Code = "restrict-open-view"
	codeNoKey        diag.Code = "entity-without-key"
	codePathClash    diag.Code = "service-path-clash"
	codePathForm     diag.Code = "service-path-form"
)

func entry(sev diag.Severity, title, explain, wrong, right string) diag.Entry {
	return diag.Entry{Severity: sev, Title: title, Explain: explain, Wrong: wrong, Right: right}
}

// Messages documents the codes of this package. Errors about restrictions are warnings where `requires.auth.strict` is false.
func Messages() diag.Catalogue {
	return diag.Catalogue{
		codeRestrictForm: entry(diag.Error, "@restrict is not a list of privileges",
			"@restrict takes a list of structures with grant, to and where. Any other form would leave the resource open elsewhere.",
			"@restrict: { grant: 'READ', to: 'Viewer' }", "@restrict: [{ grant: 'READ', to: 'Viewer' }]"),
		codeRequiresForm: entry(diag.Error, "@requires is neither a role nor a list of roles",
			"@requires takes the name of a role, or a list of which one is needed.", "@requires", "@requires: 'admin'"),
		codeMisspelt: entry(diag.Error, "Misspelt restriction",
			"Annotations may have any name, so a misspelt one restricts nothing.", "@require: 'admin'", "@requires: 'admin'"),
		codeProperty: entry(diag.Error, "Unknown property in a privilege",
			"A privilege has grant, to and where. A misspelt where would grant all rows.",
			"@restrict: [{ grant: 'READ', were: 'owner = $user' }]", "@restrict: [{ grant: 'READ', where: 'owner = $user' }]"),
		codeGrant: entry(diag.Error, "Unknown event in a grant",
			"A grant names READ, CREATE, UPDATE, DELETE, UPSERT, WRITE, * or operations, in exact spelling; on an operation only * and its own name.",
			"@restrict: [{ grant: 'read' }]", "@restrict: [{ grant: 'READ' }]"),
		codeTo: entry(diag.Error, "Faulty list of roles", "`to` takes the name of a role or a list of names, as texts.",
			"@restrict: [{ grant: '*', to: admin }]", "@restrict: [{ grant: '*', to: 'admin' }]"),
		codeRole: entry(diag.Warning, "Role in an unusual spelling",
			"Names of roles are compared exactly. This one is nearly a pseudo role, or a role of the model in other letters' case.",
			"@requires: 'authenticated_user'", "@requires: 'authenticated-user'"),
		codeWhere: entry(diag.Error, "Condition is not understood",
			"A condition must parse and be true or false, and its names must be elements of the restricted entity. Conditions of services and operations can use $user, $now and constants only.",
			"@restrict: [{ grant: 'READ', where: 'ownr = $user' }]", "@restrict: [{ grant: 'READ', where: 'owner = $user' }]"),
		codeNothing: entry(diag.Warning, "Restriction grants nothing",
			"Empty lists, empty texts and null grant nothing to anybody.", "@restrict: []", "@restrict: [{ grant: 'READ', to: 'Auditor' }]"),
		codeNoEffect: entry(diag.Warning, "Restriction has no effect here",
			"Services, entities, elements, operations and events can be restricted. Elsewhere the annotation does nothing.",
			"@requires: 'admin' type T : String;", "@requires: 'admin' entity E { … }"),
		codeNullTrap: entry(diag.Warning, "Condition opens the resource to users without the attribute",
			"`… or $user.a is null` holds for each user without the attribute; to give such a user a value takes rights away.",
			"where: 'country = $user.country or $user.country is null'", "A privilege without where, to a role of its own."),
		codeNotEqual: entry(diag.Info, "Attribute may have several values",
			"User attributes are lists. `e != $user.a` means that e is none of the values; it never holds for a user without values.",
			"where: 'country != $user.country'", "where: 'not country in $user.country'"),
		codeTypes: entry(diag.Warning, "Comparison of different types", "The two sides can hardly be equal.", "where: 'stock = ''many'''", "where: 'stock > 10'"),
		codeSibling: entry(diag.Error, "Unrestricted entity beside a restricted one",
			"Another entity of the service reads the same source and is restricted. Say what holds for this one.",
			"entity Names as select from db.Customers { name }", "@requires: 'any' entity Names as select from db.Customers { name }"),
		codeOpenView: entry(diag.Warning, "Unrestricted view over a restricted entity",
			"Views with joins, unions or grouping do not inherit restrictions.", "entity V as select from A join B on …", "@requires: 'admin' entity V as select from A join B on …"),
		codeNoKey: entry(diag.Warning, "Entity without key", "Rows of an entity without key cannot be addressed.",
			"entity E { name : String; }", "entity E { key ID : UUID; name : String; }"),
		codePathClash: entry(diag.Error, "Two services at one path", "Each service needs a path of its own within a protocol.",
			"@path: '/a' service A { } @path: '/a' service B { }", "@path: '/a' service A { } @path: '/b' service B { }"),
		codePathForm: entry(diag.Error, "@path is no path", "@path is a text of path segments without query, fragment, spaces and dot segments.",
			"@path: '/a?b'", "@path: '/a/b'"),
	}
}
