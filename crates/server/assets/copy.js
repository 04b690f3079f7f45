// Shows each copy button (hidden without this script) and makes it copy the text of the element it names.
(function () {
  "use strict";

  function select(element) {
    var range = document.createRange();
    range.selectNodeContents(element);
    var selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }

  // For web views without the asynchronous clipboard.
  function copySelected(element) {
    select(element);
    try {
      return document.execCommand("copy");
    } catch (refused) {
      return false;
    }
  }

  function arm(button) {
    var source = document.getElementById(button.getAttribute("data-copy"));
    var status = document.getElementById(button.getAttribute("data-status"));
    if (!source || !status) return;

    function report(copied) {
      if (!copied) select(source);
      status.textContent = copied ? "Copied" : "Selected: press Ctrl+C or Cmd+C";
      window.setTimeout(function () { status.textContent = ""; }, 4000);
    }

    button.hidden = false;
    button.addEventListener("click", function () {
      if (!navigator.clipboard) return report(copySelected(source));
      navigator.clipboard.writeText(source.textContent).then(
        function () { report(true); },
        function () { report(copySelected(source)); }
      );
    });
  }

  Array.prototype.forEach.call(document.querySelectorAll("button[data-copy]"), arm);
})();
