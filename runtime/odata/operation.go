package odata

import (
	"net/http"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/odata/edmx"
	"cds/runtime/odata/internal/edm"
	"cds/runtime/odata/uri"
)

// operation answers actions and functions, bound and unbound.
func (c *call) operation() error {
	op := c.res.Op
	ev := cds.Event(op.LocalName())
	if err := c.allowed(ev); err != nil {
		return err
	}
	var params *cqn.Row
	var err error
	if op.Function {
		params, err = c.arguments()
	} else {
		params, err = c.paramsBody(op)
	}
	if err != nil {
		return err
	}
	req := c.request(ev)
	req.Data = params
	if req.Target != nil {
		req.Query = &cqn.Select{From: &cqn.From{Path: c.res.Ref()}, One: !op.Collection}
	}
	format := cds.Format{OData: !c.opt.Plain} // numbers stay numbers in results of operations
	req.Format = &format
	if op.Draft != csn.NoDraftOp {
		return c.draftStep(req)
	}
	if !op.Function {
		req.Return = c.prefer()
	}
	res, err := c.invoke(op, req)
	if err != nil {
		c.w.Header().Del("Preference-Applied")
		return err
	}
	if req.Return == cds.ReturnNothing { // the action has been run, what it returned is not wanted (OData 8.2.8.7)
		c.headers(res)
		return c.noContent()
	}
	return c.result(op, res)
}

// invoke runs an operation. What it returns of rows of the service is completed by what the query options ask for.
func (c *call) invoke(op *csn.Operation, req *cds.RawRequest) (*cds.Result, error) {
	if e := edmx.EntityOf(c.svc.Model, op.Returns); e != nil && e.Service == c.svc.Model {
		return c.perform(c.ctx, req, e)
	}
	return c.svc.Dispatch(c.ctx, req)
}

func (c *call) opName() string {
	op := c.res.Op
	if op.Entity == nil {
		return op.Name
	}
	return op.Entity.Name + "." + op.Name
}

// arguments reads the parameters of a function from the URL.
func (c *call) arguments() (*cqn.Row, error) {
	op := c.res.Op
	row := cqn.NewRow()
	var errs []*cds.Error
	for _, a := range c.res.Args {
		p := op.Params.Lookup(a.Name)
		if p == nil {
			errs = append(errs, unknownProperty(a.Name, c.opName()))
			continue
		}
		b := p.Scalar()
		if b == nil {
			v, err := c.decodeText(p, a.Text)
			if err != nil {
				return nil, err
			}
			row.Set(a.Name, v)
			continue
		}
		v, err := uri.Scalar(b, a.Text, a.Literal)
		if err != nil {
			errs = append(errs, wrongType(a.Text, b, a.Name))
			continue
		}
		row.Set(a.Name, v)
	}
	return row, joined(errs)
}

// result writes what an operation returned.
func (c *call) result(op *csn.Operation, res *cds.Result) error {
	c.headers(res)
	if op.Returns == nil {
		return c.noContent()
	}
	_, many := op.Returns.Type.(*csn.Array)
	if a := op.Returns.Assoc(); a != nil {
		many = a.Many
	}
	if e := edmx.EntityOf(c.svc.Model, op.Returns); e != nil {
		return c.entityResult(res, e, many)
	}
	v, ok := resultValue(res, many)
	if !ok {
		return c.noContent()
	}
	if isStream(op.Returns) && op.Returns.Annotations.Get("Core.MediaType") != nil {
		return c.returnedMedia(v, op.Returns)
	}
	if v, ok = whole(v); !ok {
		return cds.Reject(500, "500", "The operation answered too much data for a result without @Core.MediaType")
	}
	if c.opt.Plain {
		return c.plainValue(v, op.Returns)
	}
	typ := edmx.ReturnType(c.svc.Model, op)
	if many {
		typ = "Collection(" + typ + ")"
	}
	b := c.context(typ)
	if v.Kind() == cqn.KindRow && !many {
		return c.sendJSON(http.StatusOK, object(b, appendAny(nil, v, op.Returns, false)))
	}
	b = append(b, `,"value":`...)
	b = appendAny(b, v, op.Returns, false)
	return c.sendJSON(http.StatusOK, append(b, '}'))
}

// resultValue returns the value of an operation that returns no entity; ok is false for none.
func resultValue(res *cds.Result, many bool) (cqn.Value, bool) {
	switch {
	case res.Value != nil:
		return *res.Value, !res.Value.IsNull()
	case many:
		return cqn.OfRows(res.Rows), true
	case len(res.Rows) > 0:
		return cqn.OfRow(res.Rows[0]), true
	}
	return cqn.Null, false
}

func (c *call) entityResult(res *cds.Result, e *csn.Entity, many bool) error {
	f := cds.Format{OData: !c.opt.Plain}
	if res.Value != nil && res.JSON == nil && len(res.Rows) == 0 {
		res.Rows = rowsOf(*res.Value)
		res.N = len(res.Rows)
	}
	rows := c.rowsJSON(res, e, f)
	name := uri.SetName(e)
	if !many {
		if res.N == 0 {
			return c.noContent()
		}
		if res.N > 1 {
			return cds.Reject(500, "500", "The operation answered %d rows in place of one", res.N)
		}
		if c.opt.Plain {
			return c.plainRow(http.StatusOK, rows)
		}
		return c.sendJSON(http.StatusOK, object(c.context(name+"/$entity"), rows))
	}
	if c.opt.Plain {
		return c.plainCollection(http.StatusOK, rows, -1, "")
	}
	b := append(c.context(name), `,"value":[`...)
	b = append(b, rows...)
	return c.sendJSON(http.StatusOK, append(b, `]}`...))
}

func rowsOf(v cqn.Value) []*cqn.Row {
	switch v.Kind() {
	case cqn.KindRow:
		return []*cqn.Row{v.Row()}
	case cqn.KindRows:
		return v.Rows()
	}
	var out []*cqn.Row
	for _, item := range v.List() {
		if r := item.Row(); r != nil {
			out = append(out, r)
		}
	}
	return out
}

func unknownProperty(name, owner string) *cds.Error {
	return &cds.Error{Status: 400, Code: "400", Message: "Property \"" + name + "\" does not exist in " + owner, Target: owner}
}

func wrongType(value string, b *csn.Builtin, target string) *cds.Error {
	return &cds.Error{Status: 400, Code: "ASSERT_DATA_TYPE", Message: "Value " + value + " is not a valid " + edm.Describe(b), Target: target}
}

// joined returns collected errors as one, nil for none.
func joined(errs []*cds.Error) error {
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return &cds.Error{Status: 400, Code: "MULTIPLE_ERRORS", Message: "Multiple errors occurred, see details below.", Details: errs}
}
