package uri

// Reference is the kind of paths that end in $ref: the URLs of what the path before it leads to, and the links to it.
const Reference Kind = 32
