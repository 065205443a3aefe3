/** Adds what the tests' page lacks of a browser, so that JupyterLab's packages can be imported. */
if (typeof document !== 'undefined') {
  // The web components write their variables to the document as if it were an element.
  if (!('style' in document)) {
    Object.defineProperty(document, 'style', { value: document.documentElement.style });
  }
  const dialog = globalThis.HTMLDialogElement.prototype;
  if (typeof dialog.showModal !== 'function') {
    dialog.showModal = function showModal() {
      this.open = true;
    };
  }
}
