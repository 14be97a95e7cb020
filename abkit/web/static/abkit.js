// Small conveniences: every page works without them.
"use strict";

// A select or a checkbox marked data-submit sends its form when it changes.
document.addEventListener("change", (event) => {
  const control = event.target.closest("[data-submit]");
  if (control && control.form) control.form.requestSubmit();
});

// A form marked data-confirm asks before it is sent.
document.addEventListener("submit", (event) => {
  const words = event.target.dataset.confirm;
  if (words && !window.confirm(words)) event.preventDefault();
});

// A page marked data-reload has almost nothing to show yet: it is loaded again while somebody looks at it
// and writes nothing.
if (document.querySelector("[data-reload]")) {
  window.setInterval(() => {
    const writes = document.activeElement && document.activeElement.matches("input, select, textarea");
    if (document.visibilityState === "visible" && !writes) window.location.reload();
  }, 3000);
}

// Files and folders that are dragged onto a field marked data-drop are put into it; how many is said.
async function filesOf(items) {
  const found = [];
  const walk = async (entry) => {
    if (found.length >= 1000) return;
    if (entry.isFile) found.push(await new Promise((done, fail) => entry.file(done, fail)));
    else if (entry.isDirectory) {
      const reader = entry.createReader();
      for (;;) {
        const part = await new Promise((done, fail) => reader.readEntries(done, fail));
        if (!part.length) break;
        for (const one of part) await walk(one);
      }
    }
  };
  for (const entry of [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean)) await walk(entry);
  return found;
}

for (const field of document.querySelectorAll("[data-drop]")) {
  const input = field.querySelector("input[type=file]");
  const say = () => {
    const said = field.closest("form").querySelector(".chosen");
    const size = [...input.files].reduce((sum, file) => sum + file.size, 0) / 2 ** 20;
    const most = Number(field.dataset.most);
    // The server would refuse it only after it was sent.
    const over = most && size > most ? `${Math.round(size)} MB: more than the ${most} MB that can be sent at once` : "";
    input.setCustomValidity(over);
    if (said) said.textContent = (input.files.length === 1 ? "1 file" : `${input.files.length} files`) + (over && `, ${over}`);
  };
  input.addEventListener("change", say);
  field.addEventListener("dragover", (event) => { event.preventDefault(); field.classList.add("over"); });
  field.addEventListener("dragleave", () => field.classList.remove("over"));
  field.addEventListener("drop", async (event) => {
    event.preventDefault();
    field.classList.remove("over");
    const chosen = new DataTransfer();
    for (const file of await filesOf(event.dataTransfer.items)) chosen.items.add(file);
    input.files = chosen.files;
    say();
  });
}

// What waits until it is in sight is fetched before the page is printed, and waited for: paper does not scroll.
window.addEventListener("beforeprint", () => {
  for (const image of document.querySelectorAll("img[loading=lazy]")) image.loading = "eager";
  for (const part of document.querySelectorAll("[hx-trigger=revealed]")) {
    if (part.querySelector("svg")) continue;
    const request = new XMLHttpRequest();
    request.open("GET", part.getAttribute("hx-get"), false);
    request.send();
    if (request.status === 200) part.innerHTML = request.responseText;
  }
});
