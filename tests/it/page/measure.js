// Each width has a frame of its own, so that the page's media queries see that width.
const page = PAGE;
const told = [];

function wrong(frame, width) {
  const inner = frame.contentDocument;
  const found = [];
  const root = inner.documentElement;
  if (root.scrollWidth > width) found.push(`scrolls to ${root.scrollWidth}`);
  for (const element of inner.body.querySelectorAll("*")) {
    const box = element.getBoundingClientRect();
    if (box.width > 0 && box.right > width + 0.5) found.push(`${element.tagName}.${element.className} ends at ${box.right}`);
  }
  const shown = [...inner.querySelectorAll("svg.picture")].filter((svg) => svg.getBoundingClientRect().width > 0);
  for (const svg of shown) {
    // The words of a box follow it; the words above an arrow must touch no box.
    const boxes = [...svg.querySelectorAll("rect")].map((rect) => rect.getBBox());
    let box = null;
    for (const child of svg.children) {
      if (child.tagName === "rect") box = child.getBBox();
      if (child.tagName !== "text") continue;
      const text = child.getBBox();
      const right = text.x + text.width;
      if (child.getAttribute("class") !== "port") {
        if (text.x < box.x || right > box.x + box.width || text.y < box.y || text.y + text.height > box.y + box.height) {
          found.push(`words outside of their box: ${child.textContent}`);
        }
      } else if (boxes.some((other) => text.x < other.x + other.width && right > other.x
          && text.y < other.y + other.height && text.y + text.height > other.y)) {
        found.push(`words across a box: ${child.textContent}`);
      }
    }
  }
  const kinds = shown.map((svg) => svg.classList.contains("narrow") ? "narrow" : "wide").join(" ");
  return [`${width} ${kinds}`, ...found].join("; ");
}

for (const width of [360, 390, 800, 1280]) {
  const frame = document.createElement("iframe");
  frame.style.cssText = `width: ${width}px; height: 800px; border: 0`;
  frame.onload = () => {
    told.push([width, wrong(frame, width)]);
    document.title = told.sort((one, other) => one[0] - other[0]).map((one) => one[1]).join(", ");
  };
  frame.srcdoc = page;
  document.body.append(frame);
}
