// Package drafttest has the tests of drafts: what users of a draft-enabled service see, and what they must not see, on every database.
package drafttest
