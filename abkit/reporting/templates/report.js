(function () {
  "use strict";
  var list = document.getElementById("all");
  var controls = document.getElementById("controls");
  if (list && controls) {
    var rows = Array.prototype.slice.call(list.children);
    var find = document.getElementById("find");
    var campaign = document.getElementById("by-campaign");
    var advice = document.getElementById("by-advice");
    var order = document.getElementById("order");
    var said = document.getElementById("said");
    var nameOf = function (row) { return row.querySelector("b").textContent; };
    var figures = ["score", "ctr", "money", "impressions"];
    var valueOf = function (row, what) {
      return what === "name" ? nameOf(row) : row.dataset.by.split(" ")[figures.indexOf(what)];
    };
    var show = function () {
      var text = find.value.toLowerCase(), shown = 0;
      rows.forEach(function (row) {
        var fits = (!text || nameOf(row).toLowerCase().indexOf(text) >= 0) &&
          (!campaign.value || row.dataset.in === campaign.value) &&
          (!advice.value || row.querySelector(".tag").textContent === advice.value);
        row.hidden = !fits;
        shown += fits ? 1 : 0;
      });
      said.textContent = shown + " of " + rows.length + " creatives";
    };
    var sort = function () {
      var parts = order.value.split(":"), up = parts[1] === "up";
      rows.sort(function (a, b) {
        var x = valueOf(a, parts[0]), y = valueOf(b, parts[0]);
        if (parts[0] !== "name" && (x === "-" || y === "-")) { return (x === "-") - (y === "-"); }
        var less = parts[0] === "name" ? x.localeCompare(y) : x - y;
        return up ? less : -less;
      });
      rows.forEach(function (row) { list.appendChild(row); });
    };
    controls.hidden = false;
    [find, campaign, advice].forEach(function (one) { one.addEventListener("input", show); });
    order.addEventListener("input", sort);
    show();
  }
  // Numbers as they are written on this page: "1,234", "−0.05 [−0.2, 0.1]", "12 %".
  var figure = function (text) {
    var found = text.replace(/−/g, "-").replace(/,/g, "").match(/[+-]?\d+(\.\d+)?/);
    return found ? parseFloat(found[0]) : null;
  };
  document.querySelectorAll("table.sortable").forEach(function (table) {
    table.querySelectorAll("th").forEach(function (head, place) {
      var button = document.createElement("button");
      button.type = "button";
      while (head.firstChild) { button.appendChild(head.firstChild); }
      head.appendChild(button);
      button.addEventListener("click", function () {
        var down = head.getAttribute("aria-sort") === "descending";
        table.querySelectorAll("th").forEach(function (one) { one.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "ascending" : "descending");
        var body = table.tBodies[0], lines = Array.prototype.slice.call(body.rows);
        var numbers = head.classList.contains("number");
        lines.sort(function (a, b) {
          var x = a.cells[place].textContent, y = b.cells[place].textContent;
          if (numbers) {
            x = figure(x); y = figure(y);
            if (x === null || y === null) { return (x === null) - (y === null); }
            return down ? x - y : y - x;
          }
          return down ? x.localeCompare(y) : y.localeCompare(x);
        });
        lines.forEach(function (line) { body.appendChild(line); });
      });
    });
  });
  // What is folded is printed, too.
  var folded = [];
  window.addEventListener("beforeprint", function () {
    folded = Array.prototype.slice.call(document.querySelectorAll("details:not([open])"));
    folded.forEach(function (one) { one.open = true; });
  });
  window.addEventListener("afterprint", function () { folded.forEach(function (one) { one.open = false; }); });
}());
