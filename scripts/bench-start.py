"""bench-start.py BINARY DIR: median time in ms from process start to the first 200 on /health, of 9 starts."""
import http.client, os, signal, socket, statistics, subprocess, sys, time

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]

def once(binary, folder):
    port = free_port()
    began = time.perf_counter()
    p = subprocess.Popen([os.path.abspath(binary), "--port", str(port), "--in-memory"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.perf_counter() - began < 10:
            try:
                c = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                c.request("GET", "/health")
                if c.getresponse().status == 200:
                    return (time.perf_counter() - began) * 1000
            except OSError:
                time.sleep(0.001)
        sys.exit("no answer within 10 s")
    finally:
        p.send_signal(signal.SIGTERM)
        p.wait(10)

times = sorted(once(sys.argv[1], sys.argv[2]) for _ in range(9))
print("start to first 200: median %.0f ms, best %.0f ms, worst %.0f ms" % (statistics.median(times), times[0], times[-1]))
