"""bench-servers.py SHARED WORK ROWS: writes WORK/servers.json, a copy of the harness's config in which "ours" is this repository's server with the
bench model, basic users u001 … u100, and the generated database to which the model's views were added. "ours-full" is the same with a sync at every
commit (synchronous: full), "ours-pg" on PostgreSQL; "ours-covered" and "ours-pg-covered" have one index more, the one that the deployment makes where
the model says that orders are aggregated by status: it answers W6 alone, and W5 has to write it."""
import json, os, shutil, sqlite3, subprocess, sys

shared, work, rows = sys.argv[1:4]
project = os.path.join(work, "project")
os.makedirs(os.path.join(project, "srv"), exist_ok=True)
for name in ("schema.cds", "service.cds"):
    shutil.copy(os.path.join(shared, "bench", "model", name), os.path.join(project, "srv", name))
# The indexes that the harness makes for all servers, as a project would ask for them.
open(os.path.join(project, "srv", "indexes.cds"), "w").write("""using { bench } from './schema';
annotate bench.Books with @cds.persistence.index.genre: [genre_ID, 'price desc', ID];
annotate bench.Orders with @cds.persistence.index.own: [owner, 'createdAt desc', ID] @cds.persistence.index.number: [owner_no, 'createdAt desc', ID];
annotate bench.OrderItems with @cds.persistence.index.positions: [order, pos];
""")


def deployed_index(project, work):
    """The index that cds deploy makes of annotations that an application with such a chart would have."""
    copy = os.path.join(work, "covered")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(project, copy)
    with open(os.path.join(copy, "srv", "indexes.cds"), "a") as f:
        f.write("annotate bench.Orders with { status @Analytics.Dimension; total @Analytics.Measure; };\n")
    plan = subprocess.run([os.path.join(work, "bin", "cds"), "deploy", copy, "--to", "sqlite:" + os.path.join(work, "none.db"), "--dry"],
                          check=True, capture_output=True, text=True).stdout
    return next(line.rstrip(";") for line in plan.splitlines() if line.startswith("CREATE INDEX") and "status" in line)


users = {"u%03d" % n: {"password": "pw", "tenant": "t%d" % (n % 10)} for n in range(1, 101)}
database = os.path.join(work, "run", "ours.db")
json.dump({"requires": {"auth": {"kind": "basic", "users": users}, "db": {"kind": "sqlite", "credentials": {"url": os.path.abspath(database)}, "synchronous": "normal"}},
           "query": {"limit": {"max": 10000}}}, open(os.path.join(project, ".cdsrc.json"), "w"))
sql = subprocess.run([os.path.join(work, "bin", "cds"), "compile", project, "--to", "sql"], check=True, capture_output=True, text=True).stdout
template = os.path.join(work, "ours-template-%s.db" % rows)
shutil.copy(os.path.join(work, "data", rows, "bench.db"), template)
db = sqlite3.connect(template)
for statement in sql.split(";\n"):
    if statement.strip().startswith("CREATE VIEW"):
        db.execute(statement)
db.commit()
db.close()
covered = template.replace("-template-", "-covered-")
shutil.copy(template, covered)
db = sqlite3.connect(covered)
db.execute(deployed_index(project, work))
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
cfg["servers"].append(dict(ours, name="ours-full", env=dict(ours["env"], cds_requires_db_synchronous="full")))
# The template has the same indexes, with the place for nulls that our queries ask for: what the deployment makes of indexes.cds.
prepare = base["prepare"].replace("tpl_${SCALE}", "tpl_${SCALE}_ours")
cfg["servers"].append(dict(ours, name="ours-pg", reference=limit["name"], prepare=prepare, pidfile=base["pidfile"],
                           env={"NODE_ENV": "production", "cds_requires_db_pool_max": "8", # as many connections as the reference has
                                "CDS_REQUIRES_DB_KIND": "postgres", "DATABASE_URL": "postgres://bench@127.0.0.1:15499/bench",
                                "CDS_REQUIRES_DB_CREDENTIALS_URL": "postgres://bench@127.0.0.1:15499/bench"}))
cfg["servers"].append(dict(ours, name="ours-covered", prepare=ours["prepare"].replace(template, covered)))
pg = next(s for s in cfg["servers"] if s["name"] == "ours-pg")
cfg["servers"].append(dict(pg, name="ours-pg-covered", prepare=prepare.replace("_ours", "_covered")))
json.dump(cfg, open(os.path.join(work, "servers.json"), "w"), indent=1)
