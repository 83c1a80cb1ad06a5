package authzmatrix

// shown compares what two models show where they do not show the value of an element: Widened if it tells more than before, Narrowed if less, Changed if
// neither tells anything, Undecided if both are made of the value or its row, "" if it is the same.
func (p *pair) shown() string {
	if p.old.all() || p.new.all() || p.old.masked == p.new.masked {
		return "" // who sees the value itself gains or loses as with any right
	}
	a, b := p.old.tells(), p.new.tells()
	switch {
	case a < b:
		return Widened
	case a > b:
		return Narrowed
	case p.new.computed:
		return Undecided
	}
	return Changed
}

// tells is how much is told of a value that is not shown: 0 for nothing, and the element is refused; 1 for a constant; 2 for what is made of the row.
func (r *right) tells() int {
	switch {
	case r.masked == "":
		return 0
	case r.computed:
		return 2
	}
	return 1
}
