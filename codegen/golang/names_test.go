package golang

import (
	"testing"

	"cds/parser/csn"
)

func TestSingular(t *testing.T) {
	for in, want := range map[string]string{
		"Books": "Book", "OrderItems": "OrderItem", "Categories": "Category", "Addresses": "Address", "Boxes": "Box", "Batches": "Batch", "Brushes": "Brush",
		"Houses": "House", "Cases": "Case", "Sizes": "Size", "Heroes": "Hero", "Statuses": "Status", "OrderStatuses": "OrderStatus", "Bus": "Bus",
		"News": "News", "Series": "Series", "People": "Person", "ListOfPeople": "ListOfPerson", "Children": "Child", "Movies": "Movie", "Ties": "Tie",
		"Glass": "Glass", "Analysis": "Analysis", "Book": "Book", "S": "S", "As": "As", "Indices": "Index", "Quizzes": "Quizz",
	} {
		if got := singular(in); got != want {
			t.Errorf("singular(%q) is %q, want %q", in, got, want)
		}
	}
}

func TestGoName(t *testing.T) {
	for in, want := range map[string]string{
		"title": "Title", "ID": "ID", "author_ID": "AuthorID", "up__ID": "UpID", "dateOfBirth": "DateOfBirth", "_x": "X", "1st": "X1st",
		"two words": "TwoWords", "straße": "Straße", "名前": "X名前", "": "X", "__": "X", "a.b": "AB", "élan": "Élan",
	} {
		if got := goName(in); got != want {
			t.Errorf("goName(%q) is %q, want %q", in, got, want)
		}
	}
}

func TestPackageName(t *testing.T) {
	for in, want := range map[string]string{
		"CatalogService": "catalog", "my.shop.AdminService": "admin", "Service": "service", "OrderSrv": "ordersrv", "Type": "typesvc", "Model": "modelsvc",
		"ContextService": "contextsvc", "String": "stringsvc", "a.B2B": "b2b", "a.2x": "x", "Ω": "",
	} {
		s := &csn.Service{}
		s.Name = in
		if got := packageName(s); got != want {
			t.Errorf("packageName(%q) is %q, want %q", in, got, want)
		}
	}
}
