// Making elements. Whatever comes from the ledger (ids, titles, reasons) goes in as text, never as markup.

// make("td", {class: "number", dataset: {name: "x"}}, "text", element, ...)
export function make(tag, attributes = {}, ...children) {
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes)) {
		if (name === "dataset")
			Object.assign(element.dataset, value);
		else if (name.startsWith("on"))
			element.addEventListener(name.slice(2), value);
		else if (value !== null && value !== undefined && value !== false)
			element.setAttribute(name, value === true ? "" : value);
	}
	element.append(...children.filter((child) => child !== null && child !== undefined));
	return element;
}

// A button that looks like a link: it leads to another place of this page.
export function link(text, label, act) {
	return make("button", {type: "button", class: "link", "aria-label": label, onclick: act}, text);
}

// rows: [[name, text or element, dataset name]]
export function facts(rows) {
	return make("dl", {}, ...rows.flatMap(([name, value, key]) => [make("dt", {}, name), make("dd", key ? {dataset: {name: key}} : {}, value)]));
}

// columns: [[title, "number" or ""]]; rows: [{cells, class}]. A wide table scrolls by itself, also by keyboard.
export function table(caption, columns, rows) {
	const head = make("tr", {}, ...columns.map(([title, kind]) => make("th", {scope: "col", class: kind || null}, title)));
	const body = rows.map((row) => make("tr", {class: row.class}, ...row.cells.map((cell, index) => make("td", {class: columns[index][1] || null}, cell))));
	return make("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": caption},
		make("table", {}, make("caption", {class: "aside"}, caption), make("thead", {}, head), make("tbody", {}, ...body)));
}

export function quiet(text) {
	return make("p", {class: "quiet"}, text);
}

// A small line of what was, oldest first; only for the eye.
export function line(values) {
	const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
	const path = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
	const most = Math.max(1, ...values);
	path.setAttribute("points", values.map((value, index) => `${(index * 200 / Math.max(1, values.length - 1)).toFixed(1)},${(38 - 36 * value / most).toFixed(1)}`).join(" "));
	svg.setAttribute("viewBox", "0 0 200 40");
	svg.setAttribute("preserveAspectRatio", "none");
	svg.setAttribute("class", "line");
	svg.setAttribute("aria-hidden", "true");
	svg.append(path);
	return svg;
}
