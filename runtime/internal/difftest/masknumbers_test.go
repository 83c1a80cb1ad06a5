package difftest

import (
	"strings"
	"testing"
	"testing/fstest"

	"cds/runtime/db"
)

// TestMaskOfLargeNumbers: masks fail for no value. What cannot be calculated with, or is no integer of 64 bits, is shown as null, on all databases.
func TestMaskOfLargeNumbers(t *testing.T) { both(t, maskOfLargeNumbers) }

func maskOfLargeNumbers(t *testing.T, database func(testing.TB) db.Pool) {
	h := maskedApp(t, database, `
entity d.E { key ID : Integer; s : String; a : Integer; b : Int64; c : Double; f : Double; g : Double;
  @mask: (a * 2000000000 + 1) int : Integer;
  @mask: (length(s) * 2000000000) len : Integer;
  @mask: (a * a - a * 2) prod : Integer;
  @mask: (case when a > 0 then 5 end * 2000000000 - 2000000000 * 4) lit : Integer;
  @mask: (floor(b * 2.0)) twice : Int64;
  @mask: (floor(c)) low : Integer;
  @mask: (round(c * 1.5)) near : Int64;
  @mask: (substring(s, a)) tail : String;
  @mask: (substring(s, b, a)) part : String;
  @mask: (substring(s, indexof(s, 'b') + 1, 2147483647)) rest : String;
  @mask: (f * f * 1.5) square : Double;
  @mask: (f / 1000 - g / 1000) diff : Double;
  @mask: { fn: 'round(100)' } i : Int64;
  @mask: { fn: 'round(100)' } r : Double;
  @mask: { unless: { where: (a * 2000000000 > 5 and f * f >= 0) } } w : Integer; }
@requires: 'any' service S { entity E as projection on d.E; }`, fstest.MapFS{"db/data/d-E.csv": {Data: []byte("ID,s,a,b,c,f,g,int,len,prod,lit,twice,low,near,tail,part,rest,square,diff,i,r,w\n" +
		"1,abc,2147483647,9223372036854775807,1e300,1e300,1e300,1,1,1,1,1,1,1,x,x,x,1,1,9223372036854775807,1e300,7\n" +
		"2,abc,-2147483648,-9223372036854775808,-1e300,1e-300,-1e300,1,1,1,1,1,1,1,x,x,x,1,1,-9223372036854775808,-1e-320,7\n" +
		"3,abc,1,1000000000000,12.5,1.5,-0.5,1,1,1,1,1,1,1,x,x,x,1,1,4711,-4711.5,7\n")}}).Server.Handler()
	rec := send(h, &person{name: "u1"}, "GET", "/odata/v4/s/E?$orderby=ID", "")
	for _, want := range []string{
		`"int":4294967294000000001,"len":6000000000,"prod":4611686009837453315,"lit":2000000000,"twice":null,"low":null,"near":null,"tail":"","part":"","rest":"c","square":null,"diff":null,"i":"9223372036854775800","r":null,"w":null`,
		`"int":-4294967295999999999,"len":6000000000,"prod":4611686022722355200,"lit":null,"twice":null,"low":null,"near":null,"tail":"abc","part":"","rest":"c","square":null,"diff":null,"i":"-9223372036854775800","r":null,"w":null`,
		`"int":2000000001,"len":6000000000,"prod":-1,"lit":2000000000,"twice":"2000000000000","low":12,"near":"19","tail":"bc","part":"","rest":"c","square":3.375,"diff":0.002,"i":"4700","r":-4700,"w":7`,
	} {
		if !strings.Contains(rec.Body.String(), want) {
			t.Errorf("no %s in\n%d %s", want, rec.Code, rec.Body)
		}
	}
}
