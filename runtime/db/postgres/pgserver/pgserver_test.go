package pgserver

import (
	"context"
	"errors"
	"os"
	"testing"
)

func rows(t *testing.T, s *Server, name, sql string) int {
	t.Helper()
	c, err := s.Connect(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(context.Background()) }()
	res, err := c.Exec(context.Background(), sql).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return len(res[len(res)-1].Rows)
}

func TestStart(t *testing.T) {
	ctx := context.Background()
	s, err := Start(ctx)
	if errors.Is(err, ErrNoBinaries) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Create(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	rows(t, s, a, "CREATE TABLE T (x INTEGER); INSERT INTO T VALUES (1); SELECT * FROM T")
	b, err := s.Create(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	if n := rows(t, s, b, "SELECT * FROM T"); n != 1 {
		t.Errorf("the copy has %d rows", n)
	}
	if err := s.Drop(ctx, a); err != nil {
		t.Error(err)
	}
	if n := rows(t, s, b, "SELECT * FROM pg_database WHERE datname = '"+a+"'"); n != 0 {
		t.Error("a dropped database is still there")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
	if _, err := s.Connect(ctx, b); err == nil {
		t.Error("the server is still there")
	}
}
