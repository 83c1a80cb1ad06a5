"""bench-growth.py SMALL LARGE: what a request costs more with more rows, from two results of the load harness. The same file twice: nothing."""
import json, os, sys

small, large = sys.argv[1:3]
if not os.path.exists(small) or os.path.samefile(small, large):
    sys.exit()
a, b = (json.load(open(f)) for f in (small, large))
works = [w for w in a["works"] if w in b["works"] and w != "W11"]
print("**CPU a request of the server, µs, at %s and %s rows**\n" % (a["scale"], b["scale"]))
print("| server | " + " | ".join(works) + " |\n|---" + "|---" * len(works) + "|")
for name, row in b["summary"].items():
    cells = []
    for w in works:
        x, y = (d["summary"].get(name, {}).get("work", {}).get(w, {}).get("cpu_us") for d in (a, b))
        cells.append("%.0f → %.0f (%+.0f %%)" % (x, y, (y / x - 1) * 100) if x and y else "–")
    print("| %s | %s |" % (name, " | ".join(cells)))
