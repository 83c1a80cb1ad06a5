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
	codeUnsupported  diag.Code = "anno-unsupported"
	codeAnnoValue    diag.Code = "anno-unexpected-value"
	codeDraftName    diag.Code = "draft-name-taken"
)

func entry(sev diag.Severity, title, explain, wrong, right string) diag.Entry {
	return diag.Entry{Severity: sev, Title: title, Explain: explain, Wrong: wrong, Right: right}
}

// Messages documents the codes of this package. Errors about restrictions are warnings where `requires.auth.strict` is false.
func Messages() diag.Catalogue {
	return diag.Catalogue{
		codeRestrictForm: entry(diag.Error, "@restrict is not a list of privileges",
			"@restrict takes a list of structures with grant or deny, to, where, if and message. Any other form would leave the resource open elsewhere.",
			"service S { @restrict: { grant: 'READ', to: 'Viewer' } entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }", "service S { @restrict: [{ grant: 'READ', to: 'Viewer' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }"),
		codeRequiresForm: entry(diag.Error, "@requires is neither a role nor a list of roles",
			"@requires takes the name of a role, or a list of which one is needed.", "service S { @requires entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }", "service S { @requires: 'admin' entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }"),
		codeMisspelt: entry(diag.Error, "Misspelt restriction",
			"Annotations may have any name, so a misspelt one restricts nothing.", "service S { @require: 'admin' entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }", "service S { @requires: 'admin' entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }"),
		codeProperty: entry(diag.Error, "Unknown property in a privilege",
			"A privilege has grant or deny, to, where, if and message. A misspelt where would grant all rows.",
			"service S { @restrict: [{ grant: 'READ', were: 'owner = $user' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }", "service S { @restrict: [{ grant: 'READ', where: 'owner = $user' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }"),
		codeGrant: entry(diag.Error, "Unknown event in a grant",
			"A grant names READ, CREATE, UPDATE, DELETE, UPSERT, WRITE, * or operations, in exact spelling; on an operation only * and its own name.",
			"service S { @restrict: [{ grant: 'read' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }", "service S { @restrict: [{ grant: 'READ' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }"),
		codeTo: entry(diag.Error, "Faulty list of roles", "`to` takes the name of a role or a list of names, as texts.",
			"service S { @restrict: [{ grant: '*', to: admin }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }", "service S { @restrict: [{ grant: '*', to: 'admin' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }"),
		codeRole: entry(diag.Warning, "Role in an unusual spelling",
			"Names of roles are compared exactly. This one is nearly a pseudo role, or a role of the model in other letters' case.",
			"service S { @requires: 'authenticated_user' entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }", "service S { @requires: 'authenticated-user' entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }"),
		codeWhere: entry(diag.Error, "Condition is not understood",
			"A condition must parse and be true or false, and its names must be elements of the restricted entity. Conditions of services and operations can use $user, $now and constants only.",
			"service S { @restrict: [{ grant: 'READ', where: 'ownr = $user' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }", "service S { @restrict: [{ grant: 'READ', where: 'owner = $user' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }"),
		codeNothing: entry(diag.Warning, "Restriction grants nothing",
			"Empty lists, empty texts and null grant nothing to anybody.", "service S { @restrict: [] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }", "service S { @restrict: [{ grant: 'READ', to: 'Auditor' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }"),
		codeNoEffect: entry(diag.Warning, "Restriction has no effect here",
			"Services, entities, elements, operations and events can be restricted. Elsewhere the annotation does nothing.",
			"@requires: 'admin' type T : String;", "service S { @requires: 'admin' entity E { key ID : Integer; } }"),
		codeNullTrap: entry(diag.Warning, "Condition opens the resource to users without the attribute",
			"`… or $user.a is null` holds for each user without the attribute; to give such a user a value takes rights away.",
			"service S { @restrict: [{ grant: 'READ', where: 'country = $user.country or $user.country is null' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }", "service S { @restrict: [{ grant: 'READ', where: 'country = $user.country' }, { grant: 'READ', to: 'Worldwide' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }"),
		codeNotEqual: entry(diag.Info, "Attribute may have several values",
			"User attributes are lists. `e != $user.a` means that e is none of the values; it never holds for a user without values.",
			"service S { @restrict: [{ grant: 'READ', where: 'country != $user.country' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }", "service S { @restrict: [{ grant: 'READ', where: 'not country in $user.country' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }"),
		codeTypes: entry(diag.Warning, "Comparison of different types", "The two sides can hardly be equal.", "service S { @restrict: [{ grant: 'READ', where: 'stock = ''many''' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }", "service S { @restrict: [{ grant: 'READ', where: 'stock > 10' }] entity Books { key ID : Integer; owner : String; stock : Integer; country : String; } }"),
		codeSibling: entry(diag.Error, "Unrestricted entity beside a restricted one",
			"Another entity of the service reads the same source and is restricted. Say what holds for this one.",
			"context db { entity Customers { key ID : Integer; name : String; } } service S { @requires: 'admin' entity Customers as projection on db.Customers; entity Names as select from db.Customers { ID, name }; }",
			"context db { entity Customers { key ID : Integer; name : String; } } service S { @requires: 'admin' entity Customers as projection on db.Customers; @requires: 'any' entity Names as select from db.Customers { ID, name }; }"),
		codeOpenView: entry(diag.Warning, "Unrestricted view over a restricted entity",
			"Views with joins, unions or grouping do not inherit restrictions.", "context db { @requires: 'admin' entity A { key ID : Integer; } } entity B { key ID : Integer; } service S { entity V as select from db.A join B on A.ID = B.ID { key A.ID }; }",
			"context db { @requires: 'admin' entity A { key ID : Integer; } } entity B { key ID : Integer; } service S { @requires: 'admin' entity V as select from db.A join B on A.ID = B.ID { key A.ID }; }"),
		codeNoKey: entry(diag.Warning, "Entity without key", "Rows of an entity without key cannot be addressed.",
			"service S { entity E { name : String; } }", "service S { entity E { key ID : UUID; name : String; } }"),
		codePathClash: entry(diag.Error, "Two services at one path", "Each service needs a path of its own within a protocol.",
			"@path: '/a' service A { } @path: '/a' service B { }", "@path: '/a' service A { } @path: '/b' service B { }"),
		codeUnsupported: entry(diag.Warning, "An annotation that has no effect", "The annotation means something elsewhere in CAP, but is not supported here.",
			"@sql.append: 'WITHOUT ROWID' entity E { key ID : Integer; }", "entity E { key ID : Integer; }"),
		codeAnnoValue: entry(diag.Warning, "A value that the annotation's definition does not expect", "`annotation Name : Type;` says which values an annotation takes. The value is kept as it is.",
			"annotation Rank : Integer; @Rank: 'high' entity E { key ID : Integer; }", "annotation Rank : Integer; @Rank: 3 entity E { key ID : Integer; }"),
		codeDraftName: entry(diag.Error, "A name that drafts need is taken",
			"Draft-enabled entities have the elements IsActiveEntity, HasActiveEntity, HasDraftEntity, DraftAdministrativeData, SiblingEntity and DraftMessages; their service has the entity DraftAdministrativeData, and the drafts of E are E.drafts.",
			"service S { @odata.draft.enabled entity E { key ID : UUID; IsActiveEntity : Boolean; } }", "service S { @odata.draft.enabled entity E { key ID : UUID; active : Boolean; } }"),
		codePathForm: entry(diag.Error, "@path is no path", "@path is a text of path segments without query, fragment, spaces and dot segments.",
			"@path: '/a?b' service S { }", "@path: '/a/b' service S { }"),
	}
}
