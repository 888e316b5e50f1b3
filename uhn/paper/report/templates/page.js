// What the page does without scripts stays as it is: this opens folds that are linked to, finds, and shows values under the pointer.
(() => {
  const reveal = () => {
    const found = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!found) return;
    for (let at = found; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    const inner = found.querySelector(":scope > details");
    if (found.parentElement.tagName === "DETAILS" || inner === null) found.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();

  if (matchMedia("(max-width: 64rem)").matches) document.querySelector(".menu").open = false;

  const form = document.getElementById("find"), query = document.getElementById("query"), hits = document.getElementById("hits");
  form.hidden = false;
  const index = [];
  document.querySelectorAll("main section[id] > h2, main section[id] > h3, tr[id], td.value[id], details > div[id]").forEach((at) => {
    const heading = /^H/.test(at.tagName), holder = heading ? at.parentElement : at;
    let text = heading ? at.textContent : at.id.replace(/^(runs|claim|data)-/, "").replace(/-/g, " ");
    if (at.tagName === "DIV") text = at.previousElementSibling.textContent + " " + text;
    index.push([text.replace("#", "").trim(), holder.id]);
  });
  const search = () => {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = words.length ? index.filter(([text]) => words.every((word) => text.toLowerCase().includes(word))).slice(0, 12) : [];
    hits.replaceChildren(...found.map(([text, id]) => {
      const item = document.createElement("li"), link = document.createElement("a");
      link.href = "#" + id;
      link.textContent = text.slice(0, 70);
      item.append(link);
      return item;
    }));
    hits.hidden = !found.length;
  };
  query.addEventListener("input", search);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const link = hits.querySelector("a");
    if (link) location.hash = link.hash;
  });

  const LEFT = 580, RIGHT = 4300, TOP = 120, BOTTOM = 1800;
  const values = (svg) => {
    const [x0, x1, low, high] = svg.dataset.extent.split(" ").map(Number), log = "log" in svg.dataset, far = "far" in svg.dataset;
    const step = (x) => { const at = x0 + ((x - LEFT) / (RIGHT - LEFT)) * (x1 - x0); return far ? 10 ** at : at; };
    return [...svg.querySelectorAll("path.line")].map((path) => {
      let [[, x, y], ...rest] = [...path.getAttribute("d").matchAll(/(-?\d+) (-?\d+)/g)];
      x = +x; y = +y;
      const xs = [], ys = [];
      const put = () => {
        const value = high - ((y - TOP) / (BOTTOM - TOP)) * (high - low);
        xs.push(step(x));
        ys.push(log ? 10 ** value : value);
      };
      put();
      for (const [, dx, dy] of rest) { x += +dx; y += +dy; put(); }
      return { label: path.dataset.label, colour: getComputedStyle(path).stroke, data: [xs, ys] };
    }).concat([...svg.querySelectorAll("path.level, path.papers")].map((path) => {
      const y = +path.getAttribute("d").match(/ (\d+)h/)[1], value = high - ((y - TOP) / (BOTTOM - TOP)) * (high - low);
      const label = path.classList.contains("papers") ? "paper" : "final test";
      return { label, colour: getComputedStyle(path).stroke, dash: [5, 4], data: [[step(LEFT), step(RIGHT)], [value, value]] };
    }));
  };
  const draw = (figure) => {
    const svg = figure.querySelector("svg");
    if (!svg || typeof uPlot === "undefined") return;
    const lines = values(svg), width = svg.clientWidth, ink = getComputedStyle(svg).fill;
    const rule = getComputedStyle(svg.querySelector(".grid")).stroke, short = (value) => value == null ? "–" : String(+value.toPrecision(4));
    const axis = { stroke: ink, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, width: 1 }, font: "11px system-ui" };
    const holder = document.createElement("div");
    holder.setAttribute("role", "img");
    holder.setAttribute("aria-label", svg.getAttribute("aria-label"));
    svg.replaceWith(holder);
    const scale = "log" in svg.dataset ? { distr: 3 } : {};
    new uPlot({
      width, height: width / 2, scales: { x: { time: false, ..."far" in svg.dataset ? { distr: 3 } : {} }, y: scale },
      axes: [{ ...axis, label: svg.dataset.x, labelFont: "11px system-ui", labelSize: 16, size: 30 }, { ...axis, label: svg.dataset.y, labelFont: "11px system-ui", labelSize: 16, size: 46 }],
      series: [{ label: svg.dataset.x, value: (_, value) => value == null ? "–" : Math.round(value).toLocaleString("en") }, ...lines.map(({ label, colour, dash }) => ({ label, stroke: colour, dash, width: 1.8, spanGaps: true, value: (_, value) => short(value) }))],
    }, uPlot.join(lines.map(({ data }) => data)), holder);
  };
  document.querySelectorAll(".plot").forEach((figure) => figure.addEventListener("pointerenter", () => draw(figure), { once: true }));
})();
