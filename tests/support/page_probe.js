// What a page looks like, for tests: it goes into a copy of the page, and its answer into a <pre>.
const colour = (text) => {
  const [red, green, blue, alpha = 1] = (text.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
  return { red, green, blue, alpha };
};
// https://www.w3.org/TR/WCAG22/#dfn-relative-luminance
const luminance = ({ red, green, blue }) => {
  const part = (value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue);
};
const contrast = (one, other) => {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};
const behind = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const found = colour(getComputedStyle(each).backgroundColor);
    if (found.alpha > 0) return found;
  }
  return { red: 255, green: 255, blue: 255, alpha: 1 };
};
const texts = [...document.querySelectorAll("main *")].filter(
  (each) => [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) &&
    !each.closest("style, title, desc") && each.getClientRects().length,
);
const charts = [...document.querySelectorAll("figure svg")];
const drawn = (svg) => {
  const frame = svg.getBoundingClientRect();
  const outside = [...svg.querySelectorAll("text")].filter((text) => {
    const box = text.getBoundingClientRect();
    return box.width && (box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1);
  });
  return {
    name: svg.getAttribute("aria-label"),
    role: svg.getAttribute("role"),
    width: frame.width,
    height: frame.height,
    outside: outside.map((text) => text.textContent),
    smallest: Math.min(...[...svg.querySelectorAll("text")].map((text) => text.getBoundingClientRect().height)
      .filter((height) => height > 0)),
  };
};
const legible = texts.map((each) => {
  const style = getComputedStyle(each);
  const ink = colour(each.closest("svg") ? style.fill : style.color);
  return { text: each.textContent.trim().slice(0, 40), contrast: contrast(ink, behind(each)) };
});
const answer = {
  window: innerWidth,
  page: document.documentElement.scrollWidth,
  background: getComputedStyle(document.body).backgroundColor,
  faint: legible.filter((each) => each.contrast < 4.5),
  texts: legible.length,
  charts: charts.map(drawn),
  requests: performance.getEntriesByType("resource").map((entry) => entry.name),
};
const pre = document.createElement("pre");
pre.id = "probe";
pre.textContent = JSON.stringify(answer);
document.body.append(pre);
