/* A filter box for lists: it hides the entries, and then the sections, that lack one of its words. */
document.addEventListener("DOMContentLoaded", () => {
  const place = document.querySelector(".filter-box");
  if (!place) {
    return;
  }
  const input = document.createElement("input");
  input.type = "search";
  input.placeholder = "Filter this list";
  input.setAttribute("aria-label", "Filter this list");
  const count = document.createElement("span");
  count.setAttribute("aria-live", "polite");
  place.append(input, count);

  const sections = [];
  const entries = [];
  let section = null;
  for (let node = place.nextElementSibling; node; node = node.nextElementSibling) {
    if (node.tagName === "H2") {
      section = { nodes: [node], entries: [] };
      sections.push(section);
    } else if (section) {
      section.nodes.push(node);
    }
    if (node.tagName === "UL") {
      for (const item of node.children) {
        const entry = { item, text: `${section ? section.nodes[0].textContent : ""} ${item.textContent}`.toLowerCase() };
        entries.push(entry);
        if (section) {
          section.entries.push(entry);
        }
      }
    }
  }

  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const entry of entries) {
      entry.item.hidden = !words.every((word) => entry.text.includes(word));
    }
    for (const { nodes, entries: own } of sections) {
      const isEmpty = words.length > 0 && own.every((entry) => entry.item.hidden);
      for (const node of nodes) {
        node.hidden = isEmpty;
      }
    }
    const shown = entries.filter((entry) => !entry.item.hidden).length;
    count.textContent = words.length ? `${shown} of ${entries.length}` : "";
  };
  input.addEventListener("input", show);
  input.value = new URLSearchParams(location.search).get("filter") || "";
  show();
});
