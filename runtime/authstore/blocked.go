package authstore

import (
	"context"

	"cds/parser/csn"
	"cds/runtime/auth"
)

// Blocked returns a store of users that has none and takes none, for a model with an entity that Taken finds: the model would show what is in the table.
func Blocked(e *csn.Entity) interface {
	auth.UserStore
	Prepare(ctx context.Context) error
} {
	return blocked{&TableError{Table: UserTable, Message: "entity " + e.Name + " of the model has this table; users and sessions of logins are kept in " + UserTable + " and " +
		SessionTable + ": give the entity another name"}}
}

type blocked struct{ err error }

// Prepare fails, so that strategies that need users stop the start.
func (b blocked) Prepare(context.Context) error { return b.err }

func (b blocked) UserByName(context.Context, string) (*auth.StoredUser, error) { return nil, b.err }

func (b blocked) UserByID(context.Context, string) (*auth.StoredUser, error) { return nil, b.err }

func (b blocked) AddUser(context.Context, *auth.StoredUser) (string, error) { return "", b.err }

func (b blocked) SetUser(context.Context, *auth.StoredUser) error { return b.err }

func (b blocked) RemoveUser(context.Context, string) error { return b.err }

func (b blocked) Users(context.Context, string, int) ([]*auth.StoredUser, error) { return nil, b.err }
