package difftest

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http/httptest"
	"strings"
	"testing"

	"cds/runtime/cdstest"
	"cds/runtime/db"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// A yields is an expression of a mask: how it is written, and what it makes of a row.
type yields struct {
	cdl  string
	eval func(o *oracle, r row) any
}

// A veil is a random mask: who sees the value, on which rows, and what the others see.
type veil struct {
	shown    yields
	constant bool
	unless   []string
	exempt   []grant // to and where
}

// shows is what a user sees in the place of a value.
func (v *veil) shows(o *oracle, el string, r row) any {
	if o.who.has(v.unless) {
		return r[el]
	}
	for _, x := range v.exempt {
		if (x.to == nil || o.who.has(x.to)) && o.test(x.where, r, false) == yes {
			return r[el]
		}
	}
	if r[el] == nil && !v.constant {
		return nil
	}
	return v.shown.eval(o, r)
}

func (v *veil) cdl(part string) string {
	text := "@mask: { " + part + ": " + v.shown.cdl + ", unless: ["
	var items []string
	for _, r := range v.unless {
		items = append(items, "'"+r+"'")
	}
	for _, x := range v.exempt {
		item := "{ where: (" + x.where.cdl(true) + ")"
		if x.to != nil {
			item += ", to: " + quoted(x.to)
		}
		items = append(items, item+" }")
	}
	return text + strings.Join(items, ", ") + "] }"
}

// newVeil makes a random mask of s or n; part is the property that says what is shown.
func (w *world) newVeil(e *entity, el string) (v *veil, part string) {
	v = &veil{}
	for _, r := range roleNames[:3] {
		if w.IntN(4) == 0 {
			v.unless = append(v.unless, r)
		}
	}
	for range w.IntN(3) {
		x := grant{where: w.condition(e, 2)}
		if w.IntN(2) == 0 {
			x.to = []string{pick(w.Rand, roleNames...)}
		}
		v.exempt = append(v.exempt, x)
	}
	if v.unless == nil && v.exempt == nil {
		v.unless = []string{"A"}
	}
	switch {
	case w.IntN(6) == 0 && el == "s":
		v.shown, v.constant = yields{"'***'", func(*oracle, row) any { return "***" }}, true
		return v, "value"
	case w.IntN(3) == 0:
		v.shown = w.maskFunction(el)
		return v, "fn"
	case el == "s":
		v.shown = w.text(e, 3)
	case w.IntN(4) == 0:
		v.shown = w.rounded(e)
	default:
		v.shown = w.whole(e, 3)
	}
	v.shown.cdl = "(" + v.shown.cdl + ")"
	return v, "expr"
}

func (w *world) maskFunction(el string) yields {
	n := 1 + w.IntN(2)
	if el == "n" {
		return yields{fmt.Sprintf("'round(%d)'", n+1), func(_ *oracle, r row) any { return r["n"].(int) / (n + 1) * (n + 1) }}
	}
	switch w.IntN(3) {
	case 0:
		return yields{fmt.Sprintf("'last(%d)'", n), func(_ *oracle, r row) any {
			if s := r["s"].(string); len(s) >= 2*n {
				return "***" + s[len(s)-n:]
			}
			return "***"
		}}
	case 1:
		return yields{fmt.Sprintf("' first( %d )'", n), func(_ *oracle, r row) any {
			if s := r["s"].(string); len(s) >= 2*n {
				return s[:n] + "***"
			}
			return "***"
		}}
	}
	return yields{"'email'", func(*oracle, row) any { return "***" }}
}

// lift makes a function of texts and numbers one that is null if one of them is.
func lift(fn func(xs ...any) any, kids ...yields) func(*oracle, row) any {
	return func(o *oracle, r row) any {
		xs := make([]any, len(kids))
		for i, k := range kids {
			if xs[i] = k.eval(o, r); xs[i] == nil {
				return nil
			}
		}
		return fn(xs...)
	}
}

// choice is `case when … then … else … end`, with or without an else.
func (w *world) choice(e *entity, a, b yields) yields {
	cond := w.condition(e, 1)
	text := "case when " + cond.cdl(true) + " then " + a.cdl
	if w.IntN(4) == 0 {
		b = yields{"", func(*oracle, row) any { return nil }}
	} else {
		text += " else " + b.cdl
	}
	return yields{text + " end", func(o *oracle, r row) any {
		if o.test(cond, r, false) == yes {
			return a.eval(o, r)
		}
		return b.eval(o, r)
	}}
}

func firstOf(a, b yields) yields {
	return yields{"coalesce(" + a.cdl + ", " + b.cdl + ")", func(o *oracle, r row) any {
		if x := a.eval(o, r); x != nil {
			return x
		}
		return b.eval(o, r)
	}}
}

// elementOf is an element of the row or of one behind an association.
func (w *world) elementOf(e *entity, names ...string) yields {
	x := w.element(e, 1)
	for x.el = ""; x.el == ""; {
		x.el = pick(w.Rand, names...)
	}
	return yields{x.cdl(true), func(o *oracle, r row) any { return o.value(x, r, false) }}
}

// part cuts a text as substring does: from the end if from is negative.
func part(s string, from, n int) string {
	if from < 0 {
		from = max(len(s)+from, 0)
	}
	from = min(from, len(s))
	return s[from:min(from+max(n, 0), len(s))]
}

func (w *world) text(e *entity, depth int) yields {
	if depth == 0 || w.IntN(5) == 0 {
		if w.IntN(4) == 0 {
			s := pick(w.Rand, "x", "***", "")
			return yields{"'" + s + "'", func(*oracle, row) any { return s }}
		}
		return w.elementOf(e, "s", "s", "c", "owner")
	}
	a := w.text(e, depth-1)
	switch w.IntN(8) {
	case 0:
		b := w.text(e, depth-1)
		return yields{"concat(" + a.cdl + ", " + b.cdl + ")", lift(func(xs ...any) any { return xs[0].(string) + xs[1].(string) }, a, b)}
	case 1:
		b, c := w.text(e, depth-1), w.whole(e, depth-1)
		return yields{"concat(" + a.cdl + ", " + b.cdl + ", " + c.cdl + ")", lift(func(xs ...any) any { return xs[0].(string) + xs[1].(string) + fmt.Sprint(xs[2]) }, a, b, c)}
	case 2:
		n := w.IntN(8) - 3
		return yields{fmt.Sprintf("substring(%s, %d)", a.cdl, n), lift(func(xs ...any) any { return part(xs[0].(string), n, math.MaxInt32) }, a)}
	case 3:
		n, b := w.IntN(8)-3, w.whole(e, depth-1)
		return yields{fmt.Sprintf("substring(%s, %d, %s)", a.cdl, n, b.cdl), lift(func(xs ...any) any { return part(xs[0].(string), n, xs[1].(int)) }, a, b)}
	case 4:
		return yields{"toupper(" + a.cdl + ")", lift(func(xs ...any) any { return strings.ToUpper(xs[0].(string)) }, a)}
	case 5:
		return yields{"replace(" + a.cdl + ", 'b', '#')", lift(func(xs ...any) any { return strings.ReplaceAll(xs[0].(string), "b", "#") }, a)}
	case 6:
		return firstOf(a, w.text(e, depth-1))
	}
	return w.choice(e, a, w.text(e, depth-1))
}

func (w *world) whole(e *entity, depth int) yields {
	if depth == 0 || w.IntN(5) == 0 {
		if w.IntN(3) == 0 {
			n := w.IntN(9) - 4
			return yields{fmt.Sprint(n), func(*oracle, row) any { return n }}
		}
		return w.elementOf(e, "n", "n", "n", "ID")
	}
	a := w.whole(e, depth-1)
	switch w.IntN(8) {
	case 0, 1, 2:
		b, op := w.whole(e, depth-1), pick(w.Rand, "+", "-", "*")
		if op == "*" { // what could be more than 64 bits is not understood
			n := w.IntN(9) - 4
			b = yields{fmt.Sprint(n), func(*oracle, row) any { return n }}
		}
		return yields{"(" + a.cdl + ") " + op + " (" + b.cdl + ")", lift(func(xs ...any) any {
			x, y := xs[0].(int), xs[1].(int)
			return map[string]int{"+": x + y, "-": x - y, "*": x * y}[op]
		}, a, b)}
	case 3:
		n := 1 + w.IntN(3)
		return yields{fmt.Sprintf("(%s) / %d", a.cdl, n), lift(func(xs ...any) any { return xs[0].(int) / n }, a)}
	case 4:
		s := w.text(e, depth-1)
		return yields{"length(" + s.cdl + ")", lift(func(xs ...any) any { return len(xs[0].(string)) }, s)}
	case 5:
		s := w.text(e, depth-1)
		return yields{"indexof(" + s.cdl + ", 'b')", lift(func(xs ...any) any { return strings.Index(xs[0].(string), "b") }, s)}
	case 6:
		return firstOf(a, w.whole(e, depth-1))
	}
	return w.choice(e, a, w.whole(e, depth-1))
}

// rounded is a number that was rounded, and perhaps used once more.
func (w *world) rounded(e *entity) yields {
	a, b := w.whole(e, 2), w.whole(e, 1)
	x := yields{"floor((" + a.cdl + ") / 2.5)", lift(func(xs ...any) any { return int(math.Floor(float64(xs[0].(int)) / 2.5)) }, a)}
	if w.IntN(2) == 0 {
		return yields{x.cdl + " * (" + b.cdl + ")", lift(func(xs ...any) any { return xs[0].(int) * xs[1].(int) }, x, b)}
	}
	return x
}

// TestMasks_random compares what masked elements show, of random models, with what a naive reading of the masks gives: in lists, of single rows, and behind
// associations.
func TestMasks_random(t *testing.T) { randomMasks(t, number("CDS_DIFF", 40), nil) }

// TestMasks_random_postgres is TestMasks_random on PostgreSQL.
func TestMasks_random_postgres(t *testing.T) {
	randomMasks(t, number("CDS_DIFF", 25), cdstest.PostgresSchemas(t))
}

func randomMasks(t *testing.T, worlds int, database func(testing.TB) db.Pool) {
	faults, values, masked, refused := 0, 0, 0, 0
	inWorlds(t, worlds, &faults, func(t *testing.T, seed uint64) {
		w := newWorld(seed)
		w.database = database
		veils := map[*entity]map[string]*veil{}
		for _, e := range w.entities {
			if e.auto || w.IntN(4) == 0 {
				continue
			}
			s, how := w.newVeil(e, "s")
			n, howN := w.newVeil(e, "n")
			veils[e] = map[string]*veil{"s": s, "n": n}
			w.more += "annotate d." + e.name + " with { s " + s.cdl(how) + "; n " + n.cdl(howN) + "; };\n"
		}
		h := w.app(t).Server.Handler()
		// shown is a row as a user sees it.
		shown := func(o *oracle, e *entity, r row) map[string]any {
			out := map[string]any{"ID": float64(r.id()), "s": r["s"], e.num: r["n"]}
			if v := veils[e]; v != nil {
				out["s"], out[e.num] = v["s"].shows(o, "s", r), v["n"].shows(o, "n", r)
				for el, name := range map[string]string{"s": "s", "n": e.num} {
					if out[name] != r[el] {
						masked++
					}
				}
			}
			if n, ok := out[e.num].(int); ok {
				out[e.num] = float64(n)
			}
			values += 2
			return out
		}
		for _, e := range w.entities {
			for _, who := range w.people {
				if e.auto {
					continue
				}
				o := newOracle(w, who)
				seen := o.see(e)
				url := "/s/" + e.name + "?$select=ID,s," + e.num + "&$orderby=ID"
				var want []any
				for _, r := range seen.rows {
					want = append(want, shown(o, e, r))
				}
				compareMasked(t, &faults, seen.denied, want, send(h, who, "GET", unspaced(url), ""), func() string {
					return fmt.Sprintf("seed %d, %q %v %v: GET %s\n%s", seed, who.name, who.roles, who.attrs, url, w.cdl())
				})
				for _, a := range w.toOne(e) {
					if a.to.auto {
						continue
					}
					url := "/s/" + e.name + "?$select=ID&$expand=" + a.name + "($select=ID,s," + a.to.num + ")&$orderby=ID"
					var want []any
					for _, r := range seen.rows {
						x := map[string]any{"ID": float64(r.id()), a.name: nil}
						if to := o.follow(a, r, true); to != nil {
							x[a.name] = shown(o, a.to, to)
						}
						want = append(want, x)
					}
					compareMasked(t, &faults, seen.denied || o.see(a.to).denied, want, send(h, who, "GET", unspaced(url), ""), func() string {
						return fmt.Sprintf("seed %d, %q %v %v: GET %s\n%s", seed, who.name, who.roles, who.attrs, url, w.cdl())
					})
				}
				if v := veils[e]; v != nil && !seen.denied && len(v["s"].exempt) == 0 && !who.has(v["s"].unless) {
					for _, url := range []string{"?$filter=s eq 'x'", "?$orderby=s", "?$apply=groupby((s))", "?$apply=aggregate(s with max as m)", "?$compute=concat(s,'x') as y&$select=y"} {
						refused++
						if rec := send(h, who, "GET", unspaced("/s/"+e.name+url), ""); rec.Code != 403 && rec.Code != 401 {
							faults++
							t.Errorf("seed %d, %q %v: GET %s: %d %s", seed, who.name, who.roles, url, rec.Code, rec.Body)
						}
					}
				}
			}
		}
	})
	t.Logf("%d values, %d masked, %d uses refused", values, masked, refused)
	if worlds >= 20 && (values < 1000 || masked < 300 || refused < 100) {
		t.Errorf("%d values, %d of them masked, %d uses refused: the test has lost its sense", values, masked, refused)
	}
}

// compareMasked compares a list with what is wanted.
func compareMasked(t *testing.T, faults *int, denied bool, want []any, rec *httptest.ResponseRecorder, what func() string) {
	t.Helper()
	if denied {
		if rec.Code != 401 && rec.Code != 403 {
			*faults++
			t.Errorf("%s: %d %s, not refused", what(), rec.Code, rec.Body)
		}
		return
	}
	var have struct {
		Value []any `json:"value"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &have); err != nil || rec.Code != 200 {
		*faults++
		t.Errorf("%s: %d %s", what(), rec.Code, rec.Body)
		return
	}
	if diff := cmp.Diff(want, have.Value, cmpopts.EquateEmpty()); diff != "" {
		*faults++
		t.Errorf("%s\n%s", what(), diff)
	}
}

// unspaced is a URL as it is sent.
func unspaced(url string) string { return strings.ReplaceAll(escape(url), "%26", "&") }
