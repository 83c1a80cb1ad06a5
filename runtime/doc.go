// Package cds (folder runtime) has the words that handler authors use: App, Service, RawRequest, Result, User, Error, the
// phases of a request, and the typed facade's building blocks (Request, Opt, EntityRef).
//
// A request goes one way only, Service.Dispatch:
//
//	authorize (static) → before… → input checks → on… (the last one is the generic handler, where the guard is woven in) → checks of new data → after…
//
// The folder is called runtime, the package cds, since that is how generated and user code names it: cds.Request, cds.Reject.
package cds
