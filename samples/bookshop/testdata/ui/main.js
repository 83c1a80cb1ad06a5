// What an application does with the bookshop through UI5's OData V4 model, step by step. Each step is a function that throws if something is
// not as it should be; window.report is a promise for the results.
sap.ui.define([
  "sap/ui/model/odata/v4/ODataModel", "sap/ui/model/Filter", "sap/ui/model/FilterOperator", "sap/ui/model/Sorter", "app/Table"
], (ODataModel, Filter, FilterOperator, Sorter, Table) => {
  "use strict";
  const headers = (user) => user ? { Authorization: "Basic " + btoa(user + ":" + user) } : {};
  const open = (service, user, settings) => new ODataModel({
    serviceUrl: "/odata/v4/" + service + "/", operationMode: "Server", autoExpandSelect: true, earlyRequests: true, httpHeaders: headers(user), ...settings
  });
  const catalog = open("catalog", "bob"), admin = open("admin", "alice");

  const check = (ok, text) => { if (!ok) throw new Error(text); };
  const equal = (got, want, text) => check(JSON.stringify(got) === JSON.stringify(want), `${text}: got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
  const refused = async (promise, status, text) => {
    try { await promise; } catch (e) {
      equal(e.status ?? e.cause?.status, status, text);
      return e;
    }
    throw new Error(text + ": was not refused");
  };
  const list = (model, path, sorters, filters, parameters) => model.bindList(path, undefined, sorters, filters, parameters);
  const titles = (contexts) => contexts.map((c) => c.getProperty("title"));
  const rest = async (method, path, body, more) => {
    const r = await fetch("/odata/v4/" + path, { method, body: body && JSON.stringify(body), headers: { ...headers("alice"), "Content-Type": "application/json", ...more } });
    return r.status === 204 ? null : r.json();
  };
  const book = async (model, id) => {
    const c = model.bindContext(`/Books(${id})`).getBoundContext();
    await c.requestObject();
    return c;
  };

  const steps = {
    async "a bound table shows books, authors and counts"() {
      const table = new Table({
        rows: { path: "/Books", parameters: { $count: true }, sorter: new Sorter("title"), length: 6,
          template: new Table.Row({ title: "{title}", author: "{author/name}", price: "{price}", stock: "{stock}" }), templateShareable: false }
      });
      table.setModel(catalog);
      const binding = table.getBinding("rows");
      await new Promise((resolve, reject) => {
        binding.attachDataReceived((e) => e.getParameter("error") ? reject(e.getParameter("error")) : resolve());
        table.placeAt("books");
      });
      const rows = () => document.querySelectorAll("#books tr").length;
      for (let i = 0; i < 500 && rows() < 7; i++) await new Promise((resolve) => setTimeout(resolve, 20));
      check(rows() === 7, `${rows()} rows are rendered`); // with the heads
      check(document.getElementById("books").textContent.includes("Charlotte Bront"), "authors are not expanded");
      check(binding.getCount() >= 6, "count is " + binding.getCount());
    },

    async "metadata says types, keys and operations"() {
      const meta = admin.getMetaModel();
      equal((await meta.requestObject("/Books/")).$Key, ["ID"], "keys");
      equal((await meta.requestObject("/Books/price")).$Scale, 2, "scale of price");
      equal((await meta.requestObject("/Books/AdminService.restock"))[0].$kind, "Action", "restock");
      check((await meta.requestObject("/Books/author")).$kind === "NavigationProperty", "author");
    },

    async "pages with a count"() {
      const b = list(catalog, "/Books", [new Sorter("title")], [], { $count: true, $select: ["ID", "title"] });
      const first = titles(await b.requestContexts(0, 2)), second = titles(await b.requestContexts(2, 2));
      equal([first.length, second.length], [2, 2], "sizes of pages");
      const all = titles(await b.requestContexts(0, 100));
      equal(all.slice(0, 4), [...first, ...second], "pages in order");
      equal(all.length, b.getCount(), "count");
      equal(all, [...all].sort(), "order");
    },

    async "sorts, also by what is related"() {
      const b = list(catalog, "/Books", [new Sorter("author/name", true), new Sorter("price")], [], { $select: ["title", "price"], $expand: { author: { $select: "name" } } });
      const names = (await b.requestContexts(0, 100)).map((c) => c.getProperty("author/name"));
      equal(names, [...names].sort((x, y) => x < y ? 1 : x > y ? -1 : 0), "order");
    },

    async "filters by values, texts, related rows and any"() {
      const find = async (filters, more) => titles(await list(catalog, "/Books", [new Sorter("ID")], filters, { $select: ["ID", "title"], ...more }).requestContexts(0, 100));
      equal(await find([new Filter("stock", FilterOperator.GT, 300)]), ["The Raven", "Eleonora"], "stock");
      equal(await find([new Filter("title", FilterOperator.Contains, "Eyre")]), ["Jane Eyre"], "contains");
      equal(await find([new Filter("author/name", FilterOperator.EQ, "Emily Brontë")]), ["Wuthering Heights"], "author");
      equal(await find([new Filter("price", FilterOperator.BT, "12", "13.5")]), ["Jane Eyre", "The Raven"], "between");
      equal(await find([new Filter({ filters: [new Filter("ID", FilterOperator.EQ, 201), new Filter("ID", FilterOperator.EQ, 261)], and: false })]),
        ["Wuthering Heights", "Frankenstein"], "or");
      const authors = list(catalog, "/Authors", [new Sorter("ID")], [new Filter({ path: "books", operator: FilterOperator.Any, variable: "b",
        condition: new Filter("b/stock", FilterOperator.GT, 300) })], { $select: ["name"] });
      equal((await authors.requestContexts(0, 10)).map((c) => c.getProperty("name")).length, 1, "any");
      equal(await find([], { $search: "raven" }), ["The Raven"], "search");
    },

    async "reads of one moment go in one batch, $direct ones alone"() {
      const before = await (await fetch("/seen")).json();
      const direct = open("catalog", "", { groupId: "$direct" });
      await Promise.all([
        list(catalog, "/Genres", [], [], { $select: ["ID"] }).requestContexts(0, 5), list(catalog, "/Authors", [], [], { $select: ["ID"] }).requestContexts(0, 5)
      ]);
      const together = await (await fetch("/seen")).json();
      equal(together.batches - before.batches, 1, "batches");
      equal(together.parts - before.parts, 2, "requests in it");
      await list(direct, "/Genres", [], [], { $select: ["ID"] }).requestContexts(0, 5);
      equal((await (await fetch("/seen")).json()).batches, together.batches, "batches of $direct");
    },

    async "edits with an ETag, and notices when somebody was faster"() {
      const c = await book(admin, 201), old = c.getProperty("@odata.etag");
      check(/^W\/"/.test(old), "no ETag: " + old);
      await c.setProperty("stock", 13);
      const now = c.getProperty("@odata.etag");
      check(now && now !== old, "the ETag did not change");
      equal((await rest("GET", "admin/Books(201)")).stock, 13, "stock");
      await rest("PATCH", "admin/Books(201)", { stock: 14 }, { "If-Match": now });
      await refused(c.setProperty("stock", 15), 412, "a stale edit");
      equal((await rest("GET", "admin/Books(201)")).stock, 14, "stock after the stale edit");
      admin.resetChanges();
      await c.requestRefresh();
      equal(await c.requestProperty("stock"), 14, "stock after a refresh");
      await c.setProperty("stock", 12);
      equal((await rest("GET", "admin/Books(201)")).stock, 12, "stock in the end");
    },

    async "changes of a group are written together or not at all"() {
      const a = await book(admin, 251), b = await book(admin, 252), was = a.getProperty("stock");
      const one = Promise.allSettled([a.setProperty("stock", 1, "together"), b.setProperty("stock", 20000, "together")]);
      await admin.submitBatch("together");
      equal((await one).map((r) => r.status), ["rejected", "rejected"], "a good and a wrong change");
      equal((await rest("GET", "admin/Books(251)")).stock, was, "stock of the good one");
      const both = [a.setProperty("stock", was + 1, "together"), b.setProperty("price", "15.00", "together")];
      await admin.submitBatch("together");
      await Promise.all(both);
      equal((await rest("GET", "admin/Books(251)")).stock, was + 1, "stock");
      equal((await rest("GET", "admin/Books(252)")).price, "15.00", "price");
    },

    async "creates and deletes rows"() {
      const b = list(admin, "/Books", [], [], { $select: ["ID", "title", "stock", "author_ID"] });
      await b.requestContexts(0, 1);
      const c = b.create({ ID: 900, title: "A New One", author_ID: 101, stock: 3 });
      await c.created();
      equal((await rest("GET", "admin/Books(900)?$select=title")).title, "A New One", "title");
      check(c.getProperty("@odata.etag"), "the new row has no ETag");
      await c.delete();
      equal((await rest("GET", "admin/Books(900)")).error.code, "404", "deleted");
    },

    async "shows what is wrong with an input"() {
      const b = list(admin, "/Books", [], [], { $$updateGroupId: "input", $select: ["ID", "title", "stock"] });
      await b.requestContexts(0, 1);
      const failed = new Promise((resolve) => b.attachCreateCompleted((e) => resolve(e.getParameter("success"))));
      const c = b.create({ ID: 901, title: "Too many", author_ID: 101, stock: 20000 }, true);
      c.created().catch(() => {});
      await admin.submitBatch("input");
      equal(await failed, false, "the server took it");
      const texts = admin.getMessages(c).concat(sap.ui.require("sap/ui/core/Messaging").getMessageModel().getData()).map((m) => m.getMessage());
      check(texts.some((t) => t.includes("10000")), "messages: " + texts.join("; "));
      admin.resetChanges("input");
    },

    async "calls bound and unbound actions and functions"() {
      const c = await book(admin, 207), before = c.getProperty("stock");
      const restock = admin.bindContext("AdminService.restock(...)", c);
      restock.setParameter("amount", 5);
      await restock.invoke();
      equal((await rest("GET", "admin/Books(207)")).stock, before + 5, "restock");
      const level = admin.bindContext("/stockLevel(...)");
      await level.invoke();
      check(level.getBoundContext().getProperty("value") > 0, "stockLevel");
      const order = catalog.bindContext("/submitOrder(...)");
      order.setParameter("book", 207).setParameter("quantity", 2).setParameter("country", "DE");
      await order.invoke();
      equal(order.getBoundContext().getProperty("stock"), before + 3, "stock after an order");
      const none = catalog.bindContext("/submitOrder(...)");
      none.setParameter("book", 207).setParameter("quantity", 0).setParameter("country", "DE");
      check((await refused(none.invoke(), 400, "an order of nothing")).message.includes("one copy"), "text of the refusal");
    },

    async "may do no more than its user"() {
      await refused(list(open("admin", "bob"), "/Books").requestContexts(0, 1), 403, "bob in the office");
      const orders = (user) => list(open("order", user), "/Orders", [], [], { $count: true }).requestContexts(0, 100);
      check((await orders("alice")).length > (await orders("bob")).length, "bob sees all orders");
    }
  };

  window.report = (async () => {
    const out = [];
    for (const [name, step] of Object.entries(steps)) {
      let fault = "";
      try { await step(); } catch (e) { fault = String(e && e.stack || e); }
      out.push({ name, fault });
      const li = document.createElement("li");
      li.className = fault ? "bad" : "ok";
      li.textContent = name + (fault ? " – " + fault.split("\n")[0] : "");
      document.getElementById("steps").append(li);
    }
    return out;
  })();
});
