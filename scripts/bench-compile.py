#!/usr/bin/env python3
"""bench-compile.py CDS MODEL...: time, CPU and memory of `cds compile MODEL` as a whole process, the best of five runs each."""
import os, sys, time


def run(cds, model):
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.execv(cds, [cds, "compile", model])
    _, status, use = os.wait4(pid, 0)
    if status != 0:
        sys.exit(f"cds compile {model} failed")
    return time.monotonic() - start, use.ru_utime + use.ru_stime, use.ru_maxrss / 1024


def main():
    cds, models = sys.argv[1], sys.argv[2:]
    for model in models:
        runs = [run(cds, model) for _ in range(5)]
        wall, cpu, rss = (min(r[i] for r in runs) for i in range(3))
        print(f"{model}: {wall * 1000:.0f} ms, {cpu * 1000:.0f} ms of CPU, {rss:.0f} MB")


if __name__ == "__main__":
    main()
