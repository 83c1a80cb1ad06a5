// A table of books: a control with a list binding, as applications have them, without a theme.
sap.ui.define(["sap/ui/core/Control"], (Control) => {
  "use strict";
  const Row = Control.extend("app.Row", {
    metadata: { properties: { title: "string", author: "string", price: "string", stock: "string" } },
    renderer: {
      apiVersion: 2,
      render(rm, row) {
        rm.openStart("tr", row).openEnd();
        for (const name of ["title", "author", "price", "stock"]) {
          rm.openStart("td");
          if (name === "price" || name === "stock") rm.class("number");
          rm.openEnd().text(row.getProperty(name)).close("td");
        }
        rm.close("tr");
      }
    }
  });
  const Table = Control.extend("app.Table", {
    metadata: { aggregations: { rows: { type: "app.Row", multiple: true } }, defaultAggregation: "rows" },
    renderer: {
      apiVersion: 2,
      render(rm, table) {
        rm.openStart("table", table).openEnd();
        rm.openStart("tr").openEnd();
        for (const head of ["Title", "Author", "Price", "Stock"]) rm.openStart("th").openEnd().text(head).close("th");
        rm.close("tr");
        for (const row of table.getRows()) rm.renderControl(row);
        rm.close("table");
      }
    }
  });
  Table.Row = Row;
  return Table;
});
