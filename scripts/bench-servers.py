"""bench-servers.py SHARED WORK: writes WORK/servers.json, a copy of the harness's config in which "ours" is this repository's server with the
bench model, basic users u001 … u100, and the generated database to which the model's views were added."""
import json, os, shutil, sqlite3, subprocess, sys

shared, work = sys.argv[1:3]
project = os.path.join(work, "project")
os.makedirs(os.path.join(project, "srv"), exist_ok=True)
for name in ("schema.cds", "service.cds"):
    shutil.copy(os.path.join(shared, "bench", "model", name), os.path.join(project, "srv", name))
users = {"u%03d" % n: {"password": "pw", "tenant": "t%d" % (n % 10)} for n in range(1, 101)}
database = os.path.join(work, "run", "ours.db")
json.dump({"requires": {"auth": {"kind": "basic", "users": users}, "db": {"kind": "sqlite", "credentials": {"url": os.path.abspath(database)}, "synchronous": "normal"}},
           "query": {"limit": {"max": 10000}}}, open(os.path.join(project, ".cdsrc.json"), "w"))
sql = subprocess.run([os.path.join(work, "bin", "cds"), "compile", project, "--to", "sql"], check=True, capture_output=True, text=True).stdout
template = os.path.join(work, "ours-template.db")
shutil.copy(os.path.join(work, "data", "1e4", "bench.db"), template)
db = sqlite3.connect(template)
for statement in sql.split(";\n"):
    if statement.strip().startswith("CREATE VIEW"):
        db.execute(statement)
db.commit()
db.close()
cfg = json.load(open(os.path.join(shared, "bench", "servers.json")))
for s in cfg["servers"]:
    if s["name"] == "ours":
        s.update({
            "disabled": False,
            "prepare": "rm -f %s*; cp %s %s" % (database, template, database),
            "start": "%s serve %s --port ${PORT}" % (os.path.join(work, "bin", "cds"), project),
            "ready": "/health",
            "cwd": work,
            "token": {"kind": "basic", "text": "{user}:pw", "scheme": "Basic"},
            "env": {"NODE_ENV": "production"},
        })
ours = next(s for s in cfg["servers"] if s["name"] == "ours")
limit = next(s for s in cfg["servers"] if s["name"] == "limit-pg-cache")
base = next(s for s in cfg["servers"] if s["name"] == "limit-pg")
cfg["servers"].append(dict(ours, name="ours-pg", reference=limit["name"], prepare=base["prepare"], pidfile=base["pidfile"],
                           env={"NODE_ENV": "production", "CDS_REQUIRES_DB_KIND": "postgres", "DATABASE_URL": "postgres://bench@127.0.0.1:15499/bench",
                                "CDS_REQUIRES_DB_CREDENTIALS_URL": "postgres://bench@127.0.0.1:15499/bench"}))
json.dump(cfg, open(os.path.join(work, "servers.json"), "w"), indent=1)
