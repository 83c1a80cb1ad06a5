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
	}
}
