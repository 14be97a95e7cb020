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
