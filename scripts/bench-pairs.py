#!/usr/bin/env python3
"""bench-pairs SHARED WORK ROWS: compares our server with the reference while both run, a second of load for each in turns.

On a machine whose speed changes from minute to minute, two points that lie minutes apart say little; two seconds side by side say what they have in
common. Shown is the median over all pairs, of requests a second and of CPU a request, with the quartiles of the ratio. Both servers are pinned to one core and the load to the other; the one that is not asked is idle.
Environment: PAIRS (15), WORK (W1 to W6), ONLY (reference,ours).
"""
import argparse, importlib.util, json, os, re, statistics, sys


def harness(shared):
    spec = importlib.util.spec_from_file_location("run", os.path.join(shared, "bench", "run.py"))
    m = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(m)
    return m


def main():
    shared, work, rows = sys.argv[1:4]
    run = harness(shared)
    names = os.environ.get("ONLY", "limit-raw-cache,ours").split(",")
    works = os.environ.get("WORK", "W1,W2,W3,W4,W6,W5").split(",")  # what writes comes last
    out = os.path.join(work, "out-pairs")
    os.makedirs(out, exist_ok=True)
    servers = []
    for i, name in enumerate(names):
        a = argparse.Namespace(scale=rows, port=8990 + i, out=out, pin=True, server_core=0, load_core=1, warm=0, conns=16, keys=500, users=list(range(1, 11)))
        cfg = run.load_config(os.path.join(work, "servers.json"), {})
        spec = cfg["by"][name]
        if i > 0 and spec.get("pidfile"):  # a database of its own, beside the first server's
            spec = json.loads(re.sub(r"(EXISTS|CREATE DATABASE) bench\b|15499/bench\b", lambda m: m.group(0) + "2", json.dumps(spec)))
        s = run.Server(cfg, spec, a)
        servers.append(s)
    os.sched_setaffinity(0, {1})
    try:
        ck = None
        for s in servers:
            s.start()
            if ck is None:
                ck = run.Checker(run.fill("${DATA}/${SCALE}/bench.db", s.v), s.args)
        for w in works:
            compare(run, servers, ck, w)
    finally:
        for s in servers:
            s.stop()


def compare(run, servers, ck, w):
    for s in servers:
        why, _ = ck.check(s, w)
        if why:
            print(f"{w}: {s.name}: {why}", flush=True)
            return
        run.load(s, w, ck.params, 1, 16, None)  # warm
    pairs = []
    for i in range(int(os.environ.get("PAIRS", "15"))):
        pair = {}
        for s in servers if i % 2 == 0 else servers[::-1]:
            pair[s.name] = run.load(s, w, ck.params, 1, 16, None)
        if not any(p.get("failed") for p in pair.values()):
            pairs.append([pair[s.name] for s in servers])
    rps = [b["rps"] / a["rps"] for a, b in pairs]
    cpu = [(b["cpu_us"] + b["db_cpu_us"]) / (a["cpu_us"] + a["db_cpu_us"]) for a, b in pairs]
    q = lambda x: " ".join(f"{v:.2f}" for v in statistics.quantiles(x, n=4)) if len(x) > 1 else str(x)
    med = lambda i, k: statistics.median(p[i][k] for p in pairs)
    print(f"{servers[1].name} {w}: requests/s {med(0, 'rps'):,.0f} and {med(1, 'rps'):,.0f}, ratio (quartiles) {q(rps)}; CPU a request "
          f"{med(0, 'cpu_us'):.0f}+{med(0, 'db_cpu_us'):.0f} and {med(1, 'cpu_us'):.0f}+{med(1, 'db_cpu_us'):.0f} µs, ratio {q(cpu)}", flush=True)


main()
