// Fields that are dragged onto the row of a column: the same as choosing in that row.
"use strict";

for (const table of document.querySelectorAll("[data-columns]")) {
  const section = table.closest("section");
  const fields = section.querySelector("[data-fields]");
  const selects = [...table.querySelectorAll("select")];
  if (!selects.length) continue;
  section.querySelector("[data-mapping]").hidden = false;

  const say = () => {
    const used = new Set(selects.map((select) => select.value));
    for (const chip of fields.children) chip.classList.toggle("used", used.has(chip.dataset.field));
  };
  for (const option of selects[0].options) {
    if (!option.value) continue;
    const chip = document.createElement("li");
    chip.textContent = option.textContent;
    chip.dataset.field = option.value;
    chip.draggable = true;
    chip.addEventListener("dragstart", (event) => event.dataTransfer.setData("text/plain", option.value));
    fields.append(chip);
  }
  table.addEventListener("change", say);
  for (const select of selects) {
    const row = select.closest("tr");
    row.addEventListener("dragover", (event) => { event.preventDefault(); row.classList.add("over"); });
    row.addEventListener("dragleave", () => row.classList.remove("over"));
    row.addEventListener("drop", (event) => {
      event.preventDefault();
      row.classList.remove("over");
      const field = event.dataTransfer.getData("text/plain");
      if ([...select.options].some((option) => option.value === field)) select.value = field;
      say();
    });
  }
  say();
}
