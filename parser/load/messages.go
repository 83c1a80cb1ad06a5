package load

import "cds/parser/diag"

// Codes of this package.
const (
	codeOutside        diag.Code = "file-outside-project"
	codeUnknownLocal   diag.Code = "file-unknown-local"
	codeUnknownPackage diag.Code = "file-unknown-package"
	codeUnreadable     diag.Code = "file-not-readable"
	codeUnsupported    diag.Code = "file-unsupported"
	codeTooMany        diag.Code = "file-too-many"
)
