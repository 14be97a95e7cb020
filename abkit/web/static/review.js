// Review by keyboard: J and K move, X selects, A, R and W decide; and a count of what is selected.
"use strict";
(() => {
  const form = document.querySelector("form[data-review]");
  const boxes = form ? [...form.querySelectorAll("input[name=creative]")] : [];
  if (!boxes.length) return;
  const count = form.querySelector("[data-count]");
  const reason = form.querySelector("textarea");
  const tell = () => {
    const selected = boxes.filter((box) => box.checked).length;
    count.textContent = selected ? `${selected} selected` : "Select variants, then decide.";
  };
  const move = (by) => {
    const at = boxes.indexOf(document.activeElement);
    const next = boxes[Math.min(Math.max(at + by, 0), boxes.length - 1)];
    next.focus();
    next.closest("li").scrollIntoView({block: "nearest"});
  };
  form.addEventListener("change", (event) => { if (event.target !== reason) tell(); });
  form.addEventListener("submit", (event) => {
    const needs = event.submitter && "reason" in event.submitter.dataset;
    const none = !boxes.some((box) => box.checked);
    if (none && boxes.includes(document.activeElement)) document.activeElement.checked = true;
    if (!boxes.some((box) => box.checked)) { event.preventDefault(); count.textContent = "Select a variant first."; return; }
    if (needs && !reason.value.trim()) { event.preventDefault(); tell(); count.textContent += ": write the reason first"; reason.focus(); }
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || ["TEXTAREA", "SELECT"].includes(event.target.tagName)) return;
    if (event.target.tagName === "INPUT" && event.target.type !== "checkbox") return;
    const key = event.key.toLowerCase();
    if (key === "j" || key === "k") move(key === "j" ? 1 : -1);
    else if (key === "x" && boxes.includes(document.activeElement)) document.activeElement.click();
    else {
      const button = ["a", "r", "w"].includes(key) && form.querySelector(`button[data-key=${key}]`);
      if (!button) return;
      form.requestSubmit(button);
    }
    event.preventDefault();
  });
  tell();
})();
