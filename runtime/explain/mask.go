package explain

import (
	"errors"

	"cds/parser/cqn"
	"cds/runtime/auth"
	"cds/runtime/authz"
	"cds/runtime/sqlgen"
)

// judgeMask fills the verdict on an element that the user does not see, or of some rows only.
func (x *explainer) judgeMask(f *sqlgen.Forbidden, r *Report) error {
	r.Verdict, r.Status = "mask", 200
	r.Why = f.Reason + ": " + f.Mask.Text + " is shown in its place, and whatever filters, sorts, groups or computes by it is 403"
	if f.Mask.Unless == nil {
		return nil
	}
	r.Why += "; of rows that fulfil " + cqn.Format(f.Mask.Unless) + ", it is the value itself"
	if !x.keyed || x.row == nil {
		return nil
	}
	ok, err := x.fits(x.user, f.Mask.Unless)
	if err != nil || !ok {
		return err
	}
	r.Verdict = "allow"
	r.Why = f.Reason + ": the row fulfils " + cqn.Format(f.Mask.Unless) + ", so that the value is shown; whatever filters, sorts, groups or computes by it is 403"
	return nil
}

// sees reports whether a user may use the element that is asked about, of the row if one is.
func (x *explainer) sees(u *auth.User, d *authz.Decision) bool {
	err := d.Guard.Element(x.element, useOf(x.access.Event))
	if err == nil {
		return true
	}
	var f *sqlgen.Forbidden
	if !errors.As(err, &f) || f.Mask == nil || f.Mask.Unless == nil || !x.keyed || x.row == nil {
		return false
	}
	ok, err := x.fits(u, f.Mask.Unless)
	return ok && err == nil
}
