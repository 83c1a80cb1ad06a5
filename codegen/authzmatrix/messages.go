package authzmatrix

import "cds/parser/diag"

// The rules of Lint.
const (
	codeVoid    diag.Code = "lint-authz-void"
	codeShutOut diag.Code = "lint-authz-shut-out"
	codeCovered diag.Code = "lint-authz-covered"
	codeNever   diag.Code = "lint-authz-never"
	codeNegated diag.Code = "lint-authz-negated"
	codeNoRole  diag.Code = "lint-authz-no-role"

	codeSecondDoor    diag.Code = "lint-authz-second-door"
	codeSecondElement diag.Code = "lint-authz-second-element"
	codeResult        diag.Code = "lint-authz-result"
	codePersonal      diag.Code = "lint-authz-personal"
	codeNoIndex       diag.Code = "lint-authz-no-index"
	codeMaskReads     diag.Code = "lint-authz-mask"
	codeViewTells     diag.Code = "lint-authz-view"
)

// Messages documents the rules of Lint. Wrong and Right are whole models.
func Messages() diag.Catalogue {
	entry := func(sev diag.Severity, title, explain, wrong, right string) diag.Entry {
		return diag.Entry{Severity: sev, Title: title, Explain: explain, Wrong: wrong, Right: right}
	}
	model := func(restrict string) string {
		return "@requires: 'authenticated-user' service S { @restrict: [" + restrict + "] entity Orders { key ID : Integer; owner : String; country : String; total : Integer; } }"
	}
	return diag.Catalogue{
		codeVoid: entry(diag.Warning, "A grant of what nobody may", "The entity is read-only, insert-only or the like, for everybody. The grant makes believe that somebody may.",
			"@requires: 'authenticated-user' service S { @readonly @restrict: [{ grant: ['READ', 'UPDATE'], to: 'clerk' }] entity Orders { key ID : Integer; } }",
			"@requires: 'authenticated-user' service S { @readonly @restrict: [{ grant: 'READ', to: 'clerk' }] entity Orders { key ID : Integer; } }"),
		codeShutOut: entry(diag.Info, "A grant to a role that the service does not let in", "Both are needed: what the service asks for, and what the entity asks for. Who has only the role of the grant gets nothing.",
			"@requires: 'admin' service S { @restrict: [{ grant: 'READ', to: 'clerk' }] entity Orders { key ID : Integer; } }",
			"@requires: ['admin', 'clerk'] service S { @restrict: [{ grant: 'READ', to: 'clerk' }] entity Orders { key ID : Integer; } }"),
		codeCovered: entry(diag.Warning, "A grant that another one covers", "The other one grants at least the same to the same people on the same rows, so this one has no effect. Its condition filters nothing.",
			model("{ grant: 'READ', to: 'clerk' }, { grant: 'READ', to: 'clerk', where: 'owner = $user' }"),
			model("{ grant: 'READ', to: 'manager' }, { grant: 'READ', to: 'clerk', where: 'owner = $user' }")),
		codeNever: entry(diag.Warning, "A condition that never holds", "No row and no user fulfils it: the grant grants nothing.",
			model("{ grant: 'READ', where: 'total > 100 and total < 50' }"), model("{ grant: 'READ', where: 'total > 100 or total < 50' }")),
		codeNegated: entry(diag.Warning, "A negated comparison with an attribute",
			"`not ($user.a = x)` holds for all rows if the user has no value for the attribute. Each value that he is given takes rows away, where values should give rights.",
			model("{ grant: 'READ', where: 'not (country = $user.country)' }"), model("{ grant: 'READ', where: 'country = $user.country' }")),
		codeNoRole: entry(diag.Warning, "A role that nobody can have",
			"The project says which roles there are: as scopes in xs-security.json, or as roles of configured users. A restriction names another one.",
			model("{ grant: 'READ', to: 'clrek' }"), model("{ grant: 'READ', to: 'clerk' }")),
		codeSecondDoor: entry(diag.Warning, "A second door to what is restricted",
			"The entity has no restriction and shows rows of a table that a restricted entity of another service, or one that it computes values from, keeps from the same people. A projection, a view, a part of such rows, translated texts and @cds.autoexpose are doors as well. Where it could not be found out, the finding is an info that says so.",
			"context db { entity Orders { key ID : Integer; owner : String; } } @requires: 'authenticated-user' service S { @restrict: [{ grant: 'READ', where: 'owner = $user' }] entity Orders as projection on db.Orders; } @requires: 'authenticated-user' service T { @readonly entity Orders as projection on db.Orders; }",
			"context db { entity Orders { key ID : Integer; owner : String; } } @requires: 'authenticated-user' service S { @restrict: [{ grant: 'READ', where: 'owner = $user' }] entity Orders as projection on db.Orders; } @requires: 'auditor' service T { @readonly entity Orders as projection on db.Orders; }"),
		codeSecondElement: entry(diag.Warning, "A second door to an element",
			"The element shows, or is computed from, what a restricted element of another service keeps from the same people.",
			"context db { entity People { key ID : Integer; salary : Integer; } } @requires: 'authenticated-user' service S { entity People as projection on db.People { ID, @requires: 'hr' salary }; } @requires: 'authenticated-user' service T { entity People as projection on db.People { ID, salary as pay }; }",
			"context db { entity People { key ID : Integer; salary : Integer; } } @requires: 'authenticated-user' service S { entity People as projection on db.People { ID, @requires: 'hr' salary }; } @requires: 'authenticated-user' service T { entity People as projection on db.People { ID }; }"),
		codeResult: entry(diag.Warning, "An operation returns rows that its callers may not read",
			"Nothing filters what a handler returns. The operation has no restriction of its own, and who may call it may not read all rows of the entity that it returns.",
			"service S { @requires: 'admin' entity Secrets { key ID : Integer; } function latest() returns Secrets; }",
			"service S { @requires: 'admin' entity Secrets { key ID : Integer; } @requires: 'admin' function latest() returns Secrets; }"),
		codePersonal: entry(diag.Warning, "Personal data that nothing restricts",
			"An annotation says that the element is personal data, and everybody, or whoever has logged in, may read it of all rows. If it is meant, the entity says so.",
			"service S { entity People { key ID : Integer; @PersonalData.IsPotentiallyPersonal name : String; } }",
			"service S { @requires: 'clerk' entity People { key ID : Integer; @PersonalData.IsPotentiallyPersonal name : String; } }"),
		codeNoIndex: entry(diag.Info, "A condition that no index serves",
			"The condition is part of every query, and no index of the deployment, nor a key, begins with a column that it compares. Comparisons for equality with the user get an index by themselves; for others, @cds.persistence.index.<name> of the entity names the columns.",
			model("{ grant: 'READ', where: 'total < $user.limit' }"),
			"@requires: 'authenticated-user' service S { @cds.persistence.index.total: ['total'] @restrict: [{ grant: 'READ', where: 'total < $user.limit' }] entity Orders { key ID : Integer; total : Integer; } }"),
		codeViewTells: entry(diag.Warning, "A view whose rows tell of a restricted element",
			"Conditions, joins, groups and the order in the body of a view are evaluated with the right of who wrote the model. Where they look at an element with a restriction or a mask, somebody who may read the view and not the element learns of its value from which rows are there, or from their order.",
			"context d { entity Staff { key ID : Integer; name : String; @requires: 'hr' pay : Integer; } } @requires: 'authenticated-user' service S { entity Rich as select from d.Staff { key ID, name } where pay > 5000; }",
			"context d { entity Staff { key ID : Integer; name : String; @requires: 'hr' pay : Integer; } } @requires: 'authenticated-user' service S { @requires: 'hr' entity Rich as select from d.Staff { key ID, name } where pay > 5000; }"),
		codeMaskReads: entry(diag.Warning, "A mask that tells of a restricted element",
			"What is shown in the place of a masked element is computed with the right of who wrote the model. It is made of another element that has a restriction or a mask of its own, of which it may tell something to people from whom that is kept.",
			"@requires: 'authenticated-user' service S { entity Staff { key ID : Integer; @requires: 'hr' pay : Integer; @mask: { expr: (case when pay > 5000 then 'high' else 'low' end), unless: 'hr' } band : String; } }",
			"@requires: 'authenticated-user' service S { entity Staff { key ID : Integer; @requires: 'hr' pay : Integer; @mask: { expr: (substring(band, 0, 1)), unless: 'hr' } band : String; } }"),
	}
}
