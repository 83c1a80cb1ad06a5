// Command cds compiles, serves and watches CDS models, and generates Go code from them.
package main

import (
	"os"

	"cds/cmd/cds/internal/command"
)

func main() {
	os.Exit(command.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
