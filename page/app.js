document.getElementById("state").textContent = "The inspector has started.";
