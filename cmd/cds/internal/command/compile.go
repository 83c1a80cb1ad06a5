package command

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"cds/parser/diag"

	"github.com/spf13/cobra"
)

// compileFlags are the flags of compile.
type compileFlags struct {
	to, flavor, service, out, dialect, odataVersion string
	openapiVersion, openapiURL, profile, outside    string
	prepared, naming                                string
	parse, json, docs                               bool
	severities                                      []string
}

func (e *env) compile() *cobra.Command {
	var f compileFlags
	cmd := &cobra.Command{
		Use:   "compile [files or folders]",
		Short: "Compile models to CSN, SQL, EDMX, OpenAPI and more",
		Long: `Compile models and write them in another form. Arguments are files, folders (a project or any folder with .cds files) and patterns such as
'srv/*.cds'; "-" reads one text from standard input. Without arguments the project in the working directory is compiled.

Targets:
` + targetHelp(),
		Example: `  cds compile srv/cat-service.cds --to edmx --service CatalogService
  cds compile . --to sql --dialect postgres
  cds compile . --to openapi --service all -o gen/
  echo 'entity E { key ID : UUID; }' | cds compile - --to yaml`,
		RunE: func(_ *cobra.Command, args []string) error {
			defer oneShot()()
			return e.runCompile(&f, args)
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.to, "to", "2", "csn", "target: "+strings.Join(targetNames(), ", "))
	fl.StringVarP(&f.flavor, "flavor", "f", "inferred", "flavour of csn, json and yaml: inferred, xtended or parsed")
	fl.BoolVar(&f.parse, "parse", false, "the same as --flavor parsed")
	fl.StringVarP(&f.service, "service", "s", "", "service for targets that describe one, or \"all\"; may be left out if there is one only")
	fl.StringVarP(&f.out, "out", "o", "", "file or folder to write to; default standard output")
	fl.StringVar(&f.out, "dest", "", "the same as --out")
	fl.StringVar(&f.dialect, "dialect", "sqlite", "dialect of sql: sqlite or postgres")
	fl.StringVar(&f.prepared, "for", "", "not supported: models prepared for odata, sql, java or nodejs")
	fl.StringVar(&f.naming, "sql-names", "plain", "names in the database; plain is the only kind")
	fl.StringVar(&f.odataVersion, "odata-version", "4.0", "version of OData: 4.0 or 4.01")
	fl.StringVar(&f.openapiVersion, "openapi:version", "3.0", "version of OpenAPI: 3.0 or 3.1")
	fl.StringVar(&f.openapiURL, "openapi:url", "", "base URL of the service; ${service-path} stands for its path")
	fl.BoolVar(&f.docs, "docs", true, "keep doc comments")
	fl.BoolVar(&f.json, "json", false, "print diagnostics as JSON on standard output; the target is written with --out only")
	fl.StringArrayVar(&f.severities, "severity", nil, "severity of a message, as code=error|warning|info|none; may be repeated")
	fl.StringVar(&f.outside, "allow-outside", "", "folder above the project whose files may be imported, too")
	fl.StringVar(&f.profile, "profile", "", "configuration profiles, separated by commas")
	return cmd
}

func (e *env) runCompile(f *compileFlags, args []string) error {
	t, err := f.check()
	if err != nil {
		return err
	}
	src, err := e.sources(args, f)
	if err != nil {
		return err
	}
	out, files, diags, err := t.run(src, f)
	if err != nil {
		return err
	}
	if f.json {
		if err := diag.RenderJSON(e.out, diags, files); err != nil {
			return err
		}
	} else {
		e.diagnostics(diags, files)
	}
	if diags.HasErrors() {
		return silent{diags}
	}
	if f.json && f.out == "" {
		return nil
	}
	return e.write(out, f)
}

// check looks at what the flags say by themselves.
func (f *compileFlags) check() (*target, error) {
	oneOf := func(flag, value string, known ...string) error {
		for _, k := range known {
			if value == k {
				return nil
			}
		}
		return usageError{fmt.Errorf("--%s is %q; known are %s", flag, value, strings.Join(known, ", "))}
	}
	if f.parse {
		f.flavor = "parsed"
	}
	f.odataVersion = strings.TrimPrefix(f.odataVersion, "v")
	if f.odataVersion == "4" {
		f.odataVersion = "4.0"
	}
	if f.prepared != "" {
		return nil, usageError{fmt.Errorf("--for %s is not supported: there are no models prepared for a target; --to edmx and --to sql write what would be made of them, --to csn the model itself", f.prepared)}
	}
	if err := checkNames(f.naming); err != nil {
		return nil, usageError{fmt.Errorf("--sql-names: %w", err)}
	}
	for _, err := range []error{
		oneOf("flavor", f.flavor, "inferred", "xtended", "parsed"),
		oneOf("dialect", f.dialect, "sqlite", "postgres"),
		oneOf("odata-version", f.odataVersion, "4.0", "4.01"),
		oneOf("openapi:version", strings.TrimSuffix(strings.TrimSuffix(f.openapiVersion, ".3"), ".0"), "3.0", "3.1", "3"),
	} {
		if err != nil {
			return nil, err
		}
	}
	t := findTarget(f.to)
	if t == nil {
		return nil, usageError{fmt.Errorf("unknown target %q; known targets: %s", f.to, strings.Join(targetNames(), ", "))}
	}
	if f.service != "" && !t.service && !t.part {
		return nil, usageError{fmt.Errorf("--service is for targets that describe services, not for %s", f.to)}
	}
	if f.flavor != "inferred" && !t.sources {
		return nil, usageError{fmt.Errorf("--flavor %s is for the targets csn, json and yaml only", f.flavor)}
	}
	return t, nil
}

// checkNames refuses the kinds of names in the database that are not made. Plain is: dots become underscores, structures are flattened with
// underscores, and the database folds the case.
func checkNames(kind string) error {
	switch kind {
	case "", "plain":
		return nil
	case "quoted", "hdbcds":
		return fmt.Errorf("%q is not supported, which is for SAP HANA; only plain is", kind)
	}
	return fmt.Errorf("%q is unknown; only plain is supported", kind)
}

// An output is one text that a target makes.
type output struct {
	name   string // of the file it becomes in a folder
	text   []byte
	stream func(w io.Writer) error // instead of text
}

func (o *output) writeTo(w io.Writer) error {
	if o.stream != nil {
		return o.stream(w)
	}
	_, err := w.Write(o.text)
	return err
}

func (o *output) writeFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	w, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(o.writeTo(w), w.Close())
}

// write puts outputs into a folder, a file or standard output, where several are told apart by lines with their names.
func (e *env) write(list []output, f *compileFlags) error {
	if f.out == "" {
		for _, o := range list {
			if len(list) > 1 {
				fmt.Fprintf(e.out, "-- %s --\n", o.name)
			}
			if err := o.writeTo(e.out); err != nil {
				return err
			}
		}
		return nil
	}
	st, err := os.Stat(f.out)
	folder := len(list) > 1 || strings.HasSuffix(f.out, "/") || err == nil && st.IsDir()
	for _, o := range list {
		path := f.out
		if folder {
			path = filepath.Join(f.out, o.name)
		}
		if err := o.writeFile(path); err != nil {
			return err
		}
	}
	return nil
}

// severitiesOf reads settings like "code=warning".
func severitiesOf(list []string, cat diag.Catalogue) (diag.Settings, error) {
	out := diag.Settings{}
	for _, s := range list {
		code, name, ok := strings.Cut(s, "=")
		if !ok {
			return nil, usageError{fmt.Errorf("--severity is %q; the form is code=error|warning|info|none", s)}
		}
		sev, err := diag.ParseSeverity(name)
		if err != nil {
			return nil, usageError{err}
		}
		out[diag.Code(code)] = sev
	}
	if err := cat.Check(out); err != nil {
		return nil, usageError{err}
	}
	return out, nil
}

// A source is what is to be compiled.
type source struct {
	fsys       fs.FS
	paths      []string
	texts      map[string]string
	strict     bool
	severities diag.Settings
	// Of a project's configuration:
	models       []string
	stringLength int
}
