// Label by keyboard, fetch the images of the next questions, and ask for the figures now and then.
"use strict";
(() => {
  const keys = {ArrowLeft: "left", ArrowRight: "right", ArrowDown: "tie", " ": "tie", s: "skip", u: "undo", Backspace: "undo", 0: "10"};
  const press = (name) => {
    const button = document.querySelector(`#label [data-key="${CSS.escape(name)}"]`);
    if (!button || button.disabled || document.querySelector("#label .htmx-request, #label.htmx-request")) return false;
    button.click();
    return true;
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const tag = event.target.tagName;
    if (["INPUT", "SELECT", "TEXTAREA"].includes(tag)) return;
    if (event.key === " " && ["BUTTON", "A"].includes(tag)) return;
    const name = keys[event.key] || keys[event.key.toLowerCase()] || (/^[1-9]$/.test(event.key) ? event.key : "");
    if (name && press(name)) event.preventDefault();
  });
  const fetched = new Set();
  const ready = () => {
    const label = document.getElementById("label");
    if (!label) return;
    for (const one of label.querySelectorAll("[data-next]")) {
      if (fetched.has(one.dataset.next)) continue;
      fetched.add(one.dataset.next);
      new Image().src = one.dataset.next;
    }
    if ("figures" in label.dataset) document.body.dispatchEvent(new Event("figures"));
  };
  document.body.addEventListener("htmx:afterSettle", (event) => { if (event.target.id === "label") ready(); });
  ready();
})();
