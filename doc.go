// Package root is the map of the repository; it has no code of its own. The tests beside it keep the house in order: import floors, sizes,
// package comments.
//
//	parser      from .cds text to a checked, frozen model. Pure: files come in through io/fs
//	runtime     serves a model: authenticate, authorize, query, respond. Owns all input and output
//	strategies  ways to find out who the user is
//	codegen     from a model to files for people and tools. Pure; knows the runtime, is unknown to it
//	cmd/cds     the command line
//	samples     small complete apps that are also tests
//
// docs/architecture.md tells the two paths, of a request and of a model.
package root
