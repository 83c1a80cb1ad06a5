"use strict";
(() => {
  // The page reads the service's description and makes a form of each operation. All text goes in as text, never as markup.
  const root = location.origin + location.pathname.replace(/[^/]*$/, ""); // without credentials that the page's own URL may have
  const verbs = ["get", "post", "put", "patch", "delete"];
  const byId = id => document.getElementById(id);
  let doc = {};

  const make = (tag, props = {}, ...children) => {
    const el = document.createElement(tag);
    for (const [k, v] of Object.entries(props)) k in el ? (el[k] = v) : el.setAttribute(k, v);
    el.append(...children);
    return el;
  };

  // resolve follows a reference within the document.
  const resolve = o => {
    for (let i = 0; o && o.$ref && i < 20; i++)
      o = o.$ref.slice(2).split("/").reduce((d, key) => d && d[key.replace(/~1/g, "/").replace(/~0/g, "~")], doc);
    return o || {};
  };

  const headers = () => {
    const value = byId("auth").value.trim();
    return value ? { Authorization: value } : {};
  };

  // example makes a value that a schema allows, to begin with.
  const example = (schema, depth = 0) => {
    const s = resolve(schema);
    if (depth > 4) return null;
    if (s.default !== undefined) return s.default;
    if (s.enum) return s.enum[0];
    const way = s.oneOf || s.anyOf || s.allOf;
    if (way) return example(way[0], depth);
    switch (Array.isArray(s.type) ? s.type[0] : s.type) {
      case "object": {
        const out = {}, need = s.required || [];
        for (const [name, p] of Object.entries(s.properties || {})) {
          if (need.length && !need.includes(name) && depth > 0) continue;
          const t = resolve(p);
          if (t.type === "array" || t.type === "object" || t.allOf) continue;
          out[name] = example(p, depth + 1);
        }
        return out;
      }
      case "array": return [];
      case "integer": case "number": return 0;
      case "boolean": return false;
      case "string":
        switch (s.format) {
          case "uuid": return crypto.randomUUID ? crypto.randomUUID() : "00000000-0000-4000-8000-000000000000";
          case "date": return new Date().toISOString().slice(0, 10);
          case "date-time": return new Date().toISOString();
          case "time": return "12:00:00";
        }
    }
    return "";
  };

  const field = (name, p, required) => {
    const s = resolve(p.schema), values = s.enum;
    let input;
    if (values || s.type === "boolean") {
      input = make("select", {}, make("option", { value: "" }, ""));
      for (const v of values || [true, false]) input.append(make("option", { value: String(v) }, String(v)));
    } else {
      input = make("input", { spellcheck: false, placeholder: s.format || s.type || "" });
    }
    input.className = "value";
    input.id = "p-" + name;
    const row = make("div", { className: "field" }, make("label", { htmlFor: input.id, className: required ? "required" : "" }, name), input);
    const choices = s.items && resolve(s.items).enum;
    const help = choices ? choices.slice(0, 12).join(", ") + (choices.length > 12 ? ", …" : "") : p.description;
    if (help) row.append(make("small", {}, help));
    return [row, input];
  };

  const show = (verb, path, op, shared) => {
    const main = byId("main"), inputs = [];
    main.replaceChildren(
      make("h2", {}, make("span", { className: "verb " + verb }, verb), make("code", {}, path)),
      make("p", {}, op.summary || ""));
    const params = [...shared, ...(op.parameters || [])].map(resolve);
    for (const [where, title] of [["path", "Path"], ["query", "Query"]]) {
      const group = params.filter(p => p.in === where);
      if (group.length) main.append(make("h3", {}, title));
      for (const p of group) {
        const [row, input] = field(p.name, p, p.required);
        inputs.push([p, input]);
        main.append(row);
      }
    }
    let body = null;
    const content = resolve(op.requestBody).content;
    if (content) {
      body = make("textarea", { spellcheck: false, value: JSON.stringify(example(content["application/json"].schema), null, 2) });
      main.append(make("h3", {}, "Body"), body);
    }
    const answer = make("section");
    const send = make("button", { className: "send", type: "button" }, "Send");
    send.onclick = () => call(verb, path, inputs, body, answer, send);
    main.append(send, answer);
  };

  const address = (path, inputs) => {
    const query = [];
    for (const [p, input] of inputs) {
      const value = input.value;
      if (p.in === "path") path = path.replace("{" + p.name + "}", encodeURIComponent(value));
      else if (value !== "") query.push(encodeURIComponent(p.name).replace("%24", "$") + "=" + encodeURIComponent(value));
    }
    return root + path.slice(1) + (query.length ? "?" + query.join("&") : "");
  };

  const call = async (verb, path, inputs, body, answer, send) => {
    const url = address(path, inputs);
    send.disabled = true;
    answer.replaceChildren(make("h3", {}, "Request"), make("pre", {}, verb.toUpperCase() + " " + url.slice(location.origin.length)));
    try {
      const init = { method: verb.toUpperCase(), headers: headers() };
      if (body) {
        init.body = body.value;
        init.headers["Content-Type"] = "application/json";
      }
      const started = performance.now();
      const r = await fetch(url, init);
      const text = await r.text();
      const lines = [];
      for (const [k, v] of r.headers) lines.push(k + ": " + v);
      let shown = text;
      if ((r.headers.get("content-type") || "").includes("json")) {
        try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* shown as it came */ }
      }
      answer.append(make("h3", {}, "Answer"),
        make("p", {}, make("span", { className: "status " + (r.ok ? "good" : "bad") }, r.status + " " + r.statusText), ` · ${Math.round(performance.now() - started)} ms`));
      if (shown) answer.append(make("pre", {}, shown));
      answer.append(make("h3", {}, "Headers"), make("pre", {}, lines.join("\n")));
    } catch (e) {
      answer.append(make("p", { className: "bad" }, String(e)));
    }
    send.disabled = false;
  };

  const list = () => {
    const wanted = byId("find").value.toLowerCase(), groups = new Map();
    for (const [path, item] of Object.entries(doc.paths || {}))
      for (const verb of verbs) {
        const op = item[verb];
        if (!op || !(verb + " " + path + " " + (op.summary || "")).toLowerCase().includes(wanted)) continue;
        const tag = (op.tags || ["Operations"])[0];
        if (!groups.has(tag)) groups.set(tag, []);
        const button = make("button", { type: "button", title: op.summary || "" }, make("span", { className: "verb " + verb }, verb), make("span", {}, path));
        button.onclick = () => {
          for (const b of document.querySelectorAll("nav [aria-current]")) b.removeAttribute("aria-current");
          button.setAttribute("aria-current", "true");
          show(verb, path, op, item.parameters || []);
        };
        groups.get(tag).push(button);
      }
    const out = [];
    for (const [tag, buttons] of groups) out.push(make("h3", {}, tag), ...buttons);
    byId("list").replaceChildren(...(out.length ? out : [make("p", {}, "Nothing found")]));
  };

  const start = async () => {
    const r = await fetch(root + "openapi.json", { headers: headers() });
    if (!r.ok) {
      byId("main").replaceChildren(make("p", { className: "bad" }, "The description could not be read: " + r.status + ". Give an authorization above."));
      return;
    }
    doc = await r.json();
    document.title = byId("title").textContent = doc.info.title;
    byId("about").replaceChildren((doc.info.description || "") + " · ", make("a", { href: "openapi.json" }, "openapi.json"));
    list();
    const first = document.querySelector("nav button");
    if (first) first.click();
  };
  byId("find").oninput = list;
  byId("auth").onchange = start;
  start();
})();
