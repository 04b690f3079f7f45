// Says how far each application is, and goes on as soon as the last one is done; without this script the page
// does so after a few seconds.
(function () {
  "use strict";
  var frames = document.querySelectorAll("iframe");
  var result = document.getElementById("result");
  var waiting = frames.length;
  if (!result || !waiting) return;

  // An application that has answered has led its frame back to this server, where it can be looked into.
  // One whose protocol knows no answer has done its part when it has loaded.
  function words(frame) {
    if (frame.getAttribute("data-answers") === "false") return "has been told";
    try {
      return frame.contentDocument.getElementById("answered") ? "has answered" : null;
    } catch (elsewhere) {
      return null;
    }
  }

  Array.prototype.forEach.call(frames, function (frame) {
    var counted = false;
    frame.addEventListener("load", function () {
      var said = words(frame);
      if (counted || !said) return;
      counted = true;
      frame.parentNode.querySelector(".detail").className = "detail well";
      frame.parentNode.querySelector(".state").textContent = said;
      waiting -= 1;
      if (waiting === 0) window.location.replace(result.href);
    });
  });
})();
