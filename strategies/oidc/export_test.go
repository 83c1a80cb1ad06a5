package oidc

// SafeReturn is safeReturn, for tests.
var SafeReturn = safeReturn
