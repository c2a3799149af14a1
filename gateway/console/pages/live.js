// Appends to the list what the stream tells. Everything is set as text: most of it was chosen by buyers.
"use strict";
(() => {
	const list = document.getElementById("decisions"), none = document.getElementById("none");
	const status = document.getElementById("status"), pause = document.getElementById("pause");
	const most = Number(list.dataset.most);
	let stream, waiting = [], missed = 0, paused = false;

	const element = (name, text, kind) => {
		const e = document.createElement(name);
		e.textContent = text;
		if (kind) e.className = kind;
		return e;
	};
	const cell = (...parts) => {
		const td = document.createElement("td");
		td.append(...parts);
		return td;
	};
	const row = d => {
		const tr = document.createElement("tr");
		const time = element("time", d.time);
		time.dateTime = d.at;
		const rule = cell(d.rule);
		if (d.shadow) rule.append(" ", element("span", "shadow: " + d.shadow, "soft"));
		const request = document.createElement("bdi");
		request.append(element("b", d.method), " " + d.host + d.path);
		const asked = cell(request);
		asked.className = "request";
		const reference = cell();
		if (d.reference) {
			const link = element("a", d.reference);
			link.href = "/why?reference=" + encodeURIComponent(d.reference);
			reference.append(link);
		}
		tr.append(cell(time), cell(element("span", d.verdict, "badge " + d.kind)), cell(d.country || "unknown"), asked, rule,
			cell(d.reason + (d.unrecorded ? ", answered 503" : "")), cell(d.client), reference);
		return tr;
	};
	const say = text => {
		if (status.textContent !== text) status.textContent = text;
	};
	const told = () => "Following" + (missed > 0 ? "; " + missed + " passed by too fast to be shown" : "");
	const render = () => {
		list.prepend(...waiting.map(row));
		waiting = [];
		while (list.rows.length > most) list.deleteRow(-1);
		none.hidden = list.rows.length > 0;
		say(told());
	};
	const follow = () => {
		stream = new EventSource("/live/events?after=" + list.dataset.after + "&show=" + list.dataset.show);
		stream.onopen = () => { if (!paused) say(told()); };
		stream.onmessage = event => {
			const news = JSON.parse(event.data);
			missed += news.missed;
			waiting = (news.decisions || []).concat(waiting).slice(0, most);
			if (paused) say("Paused, " + waiting.length + (waiting.length === most ? " or more" : "") + " new");
			else render();
		};
		stream.onerror = () => say(stream.readyState === EventSource.CLOSED ? "The stream has ended. Load the page again." : "The connection is lost; trying again.");
	};
	pause.hidden = false;
	pause.addEventListener("click", () => {
		paused = !paused;
		pause.textContent = paused ? "Go on" : "Pause";
		if (paused) say("Paused");
		else render();
	});
	addEventListener("pagehide", () => stream.close());
	addEventListener("pageshow", event => { if (event.persisted) follow(); });
	follow();
})();
