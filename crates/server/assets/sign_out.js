// Goes on as soon as every application has answered; without this script the page does after a few seconds.
(function () {
  "use strict";
  var frames = document.querySelectorAll("iframe");
  var result = document.getElementById("result");
  var waiting = frames.length;
  if (!result || !waiting) return;

  // An application that has answered has led its frame back to this server, where it can be looked into.
  // One whose protocol knows no answer has done its part when it has loaded.
  function answered(frame) {
    if (frame.getAttribute("data-answers") === "false") return true;
    try {
      return frame.contentDocument.getElementById("answered") !== null;
    } catch (elsewhere) {
      return false;
    }
  }

  Array.prototype.forEach.call(frames, function (frame) {
    var counted = false;
    frame.addEventListener("load", function () {
      if (counted || !answered(frame)) return;
      counted = true;
      waiting -= 1;
      if (waiting === 0) window.location.replace(result.href);
    });
  });
})();
