package auth

import "net/http"

// A Prompter is a Strategy that sometimes has a better answer than 401 for a request that was refused for want of a user: a browser that opened a page
// is sent to the login. It is asked before the plain 401 is written, and answers itself or returns false without touching w.
type Prompter interface {
	Prompt(w http.ResponseWriter, r *http.Request) bool
}

// A Varier is a Strategy that looks at headers besides Authorization, such as Cookie. Answers name them in Vary, so that no cache gives one user's answer
// to another one. It is asked once, after Setup.
type Varier interface {
	Vary() []string
}
