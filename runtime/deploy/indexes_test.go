package deploy_test

import (
	"context"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"

	"cds/parser"
	"cds/runtime/db"
	"cds/runtime/db/dbtest"
	"cds/runtime/deploy"
)

const indexedModel = `
entity Books { key ID : Integer; genre : Integer; price : Decimal(9, 2); rank : Integer not null; author : Association to Authors; owner : String(20);
  @Analytics.Dimension status : String(10); @Analytics.Measure total : Integer; }
annotate Books with @cds.persistence.index.byPrice: [genre, 'price desc', ID] @cds.persistence.index.byRank: ['rank DESC', 'genre asc'];
entity Authors { key ID : Integer; books : Association to many Books on books.author = $self; }
@requires: 'any' service S { @restrict: [{ grant: 'READ', where: 'owner = $user' }] entity B as projection on Books; @restrict: [{ grant: 'READ' }] entity C as projection on Authors; @cds.redirection.target: false @restrict: [{ grant: 'READ' }] entity Less as projection on Books excluding { rank, genre }; }`

// TestIndexes_order: indexes that rows are sorted by have the order that queries ask for, on each database.
func TestIndexes_order(t *testing.T) {
	both(t, func(t *testing.T, open func() db.Pool) {
		res := parser.CompileString("m.cds", indexedModel)
		if res.Diags.HasErrors() {
			t.Fatal(res.Diags)
		}
		p := open()
		if err := deploy.Deploy(context.Background(), p, res.Model, fstest.MapFS{"x": {Mode: fs.ModeDir}}, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		list, want := "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name", []string{
			"ix_Books_author_ID ON Books (author_ID)",
			"ix_Books_genre_price_desc_ID ON Books (genre, price DESC, ID)",
			"ix_Books_owner_status_total ON Books (owner, status, total)",
			"ix_Books_rank_desc_genre ON Books (rank DESC, genre)",
		}
		if p.Dialect().Name() == "postgres" {
			list = "SELECT replace(indexdef, current_schema() || '.', '') FROM pg_indexes WHERE schemaname = current_schema() AND indexname LIKE 'ix_%' ORDER BY indexname COLLATE \"C\""
			want = []string{
				"ix_books_author_id ON books USING btree (author_id)",
				"ix_books_genre_price_desc_id ON books USING btree (genre NULLS FIRST, price DESC NULLS LAST, id)",
				"ix_books_owner_status_total ON books USING btree (owner NULLS FIRST, status NULLS FIRST, total NULLS FIRST)",
				"ix_books_rank_desc_genre ON books USING btree (rank DESC, genre NULLS FIRST)",
			}
		}
		got := dbtest.Rows(t, p, db.Session{}, list)
		for i := range got {
			got[i] = strings.TrimPrefix(got[i], "CREATE INDEX ")
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
