package serve

import "net/http"

// OutgoingClient makes a client like the one that strategies of a server are lent, for commands that ask a strategy as a server would.
func OutgoingClient() *http.Client { return outgoingClient() }
