// Drag over a chart to choose creatives: it fills the fields below and shows what they mean. Without it, the fields do.
"use strict";

for (const chart of document.querySelectorAll("svg.chart[data-area]")) {
  const form = document.getElementById("choose");
  const [left, top, right, bottom] = chart.dataset.area.split(" ").map(Number);
  let start = null;
  let box = null;

  const place = (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(chart.getScreenCTM().inverse());
    return [Math.min(right, Math.max(left, at.x)), Math.min(bottom, Math.max(top, at.y))];
  };
  const set = (name, from, to) => {
    form.elements[name + "_min"].value = String(Number(Math.min(from, to).toPrecision(4)));
    form.elements[name + "_max"].value = String(Number(Math.max(from, to).toPrecision(4)));
  };
  const value = (axis, share) => {
    const low = Number(chart.dataset[axis + "Low"]);
    return low + share * (Number(chart.dataset[axis + "High"]) - low);
  };

  chart.addEventListener("dragstart", (event) => event.preventDefault());
  chart.addEventListener("pointerdown", (event) => {
    if (!form || event.pointerType === "touch" || event.button !== 0) return;
    start = place(event);
  });
  chart.addEventListener("pointermove", (event) => {
    if (!start) return;
    const [x, y] = place(event);
    if (!box) {
      if (Math.hypot(x - start[0], y - start[1]) < 8) return;
      box = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      box.setAttribute("class", "chosen");
      chart.append(box);
      chart.setPointerCapture(event.pointerId);
    }
    box.setAttribute("x", Math.min(x, start[0]));
    box.setAttribute("y", Math.min(y, start[1]));
    box.setAttribute("width", Math.abs(x - start[0]));
    box.setAttribute("height", Math.abs(y - start[1]));
  });
  chart.addEventListener("pointerup", (event) => {
    if (box) {
      const [x, y] = place(event);
      set(chart.dataset.xField, value("x", (start[0] - left) / (right - left)), value("x", (x - left) / (right - left)));
      set(chart.dataset.yField, value("y", (bottom - start[1]) / (bottom - top)), value("y", (bottom - y) / (bottom - top)));
      form.requestSubmit();
    }
    start = box = null;
  });
}
