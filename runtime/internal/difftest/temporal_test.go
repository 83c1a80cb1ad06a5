package difftest

import (
	"strings"
	"testing"
)

// TestRightsOfNow: what a condition asks of entities with time slices is asked of now. A right that has ended does not hold, and does not come back by
// asking for the past.
func TestRightsOfNow(t *testing.T) {
	do := start(t, `
entity d.Papers { key ID : Integer; text : String; team : Association to d.Teams; notes : Composition of many d.Notes on notes.paper = $self; }
entity d.Teams { key ID : Integer; lead : String; members : Association to many d.Members on members.team = $self; }
entity d.Members { key ID : Integer; team : Association to d.Teams; user : String; since : Date @cds.valid.from; until : Date @cds.valid.to; }
entity d.Notes { key ID : Integer; paper : Association to d.Papers; text : String; }
entity d.Jobs { key ID : Integer; text : String; owner : String; boss : Association to d.Members; since : Date @cds.valid.from; until : Date @cds.valid.to; }
@path: '/s' @requires: 'any' service S {
  @restrict: [{ grant: '*', where: 'exists team.members[user = $user]' }] entity Papers as projection on d.Papers;
  entity Notes as projection on d.Notes;
  @requires: 'any' entity Members as projection on d.Members;
  @restrict: [{ grant: '*', where: 'owner = $user' }] entity Jobs as projection on d.Jobs;
  @cds.redirection.target: false @restrict: [{ grant: '*', where: 'boss.user = $user' }] entity Bossed as projection on d.Jobs;
}`, map[string]string{"Papers": "ID,text,team_ID\n1,mine,1\n2,SECRET,2\n", "Teams": "ID,lead\n1,x\n2,y\n", "Notes": "ID,paper_ID,text\n1,1,a\n2,2,SECRET\n",
		"Members": "ID,team_ID,user,since,until\n1,1,u1,2000-01-01,9999-12-31\n2,2,u1,2000-01-01,2010-01-01\n3,2,u1,9000-01-01,9999-12-31\n",
		"Jobs":    "ID,text,owner,boss_ID,since,until\n1,now,u1,1,2005-01-01,9999-12-31\n2,then,u1,1,2000-01-01,2005-01-01\n3,SECRET,u2,2,2000-01-01,9999-12-31\n"})
	for _, at := range []string{"", "sap-valid-at=2005-06-01", "sap-valid-at=9500-01-01", "sap-valid-from=1900-01-01"} {
		for _, path := range []string{"Papers", "Notes", "Papers/$count", "Notes?$expand=paper", "Papers?$expand=notes", "Papers?$filter=notes/any(n:n/ID gt 0)", "Bossed"} {
			url := "/s/" + path
			if at != "" {
				url += string("?&"[min(strings.Count(path, "?"), 1)]) + at
			}
			code, body := do("GET", url, "")
			if code != 200 || path != "Bossed" && !strings.Contains(body, "1") || strings.Contains(body, `"ID":2`) && path != "Bossed" || body == "2" {
				t.Errorf("GET %s: %d %s", url, code, body)
			}
		}
		for _, request := range []string{"PATCH /s/Papers(2)", "DELETE /s/Papers(2)", "PATCH /s/Notes(2)", "PATCH /s/Bossed(3)"} {
			method, url, _ := strings.Cut(request, " ")
			if code, body := do(method, url+"?"+at, map[string]string{"PATCH": `{"text":"x"}`}[method]); code != 404 {
				t.Errorf("%s %s: %d %s", request, at, code, body)
			}
		}
	}
	if code, body := do("GET", "/s/Jobs?sap-valid-at=2004-01-01", ""); code != 200 || !strings.Contains(body, "then") || strings.Contains(body, "now") {
		t.Errorf("the past: %d %s", code, body)
	}
	for paper, want := range map[string]int{"1": 200, "2": 403} { // new values are asked about in the same way
		if code, body := do("PATCH", "/s/Papers(1)", `{"team_ID":`+paper+`}`); code != want {
			t.Errorf("to team %s: %d %s", paper, code, body)
		}
	}
}
