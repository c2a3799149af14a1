// A shop with one page, /cart. Its first host label says how it finds out which page is
// asked for; any is all ways, one after the other.
'use strict';
const fs = require('fs'), http = require('http'), path = require('path'), url = require('url');
const [port, folder] = process.argv.slice(2);
const page = fs.readFileSync(path.join(folder, 'cart', 'index.html'));

const styles = {
	// The target up to its question mark, as frameworks with a tree of routes take it; cut and decoded.
	tree: (r) => decodeURIComponent(r.url.split(/[?;#]/)[0]).replace(/\/+/g, '/'),
	// The parser of browsers.
	browser: (r) => decodeURIComponent(new URL(r.url, 'http://shop.example').pathname),
	joined: (r) => decodeURIComponent(new URL('http://shop.example' + r.url).pathname),
	// The parser that Node had before.
	legacy: (r) => decodeURIComponent(url.parse(r.url).pathname),
	// Each segment by itself.
	segments: (r) => '/' + r.url.split('?')[0].split('/').filter(Boolean).map(decodeURIComponent).join('/'),
	// Decoded until it stays as it is, then cleaned up.
	thorough: (r) => {
		let now = r.url.split('?')[0], before;
		do {
			before = now;
			now = decodeURIComponent(now);
		} while (now !== before);
		return path.posix.normalize(now.normalize('NFKC').replace(/\\/g, '/'));
	},
	windows: (r) => path.win32.normalize(decodeURIComponent(r.url.split('?')[0])).replace(/\\/g, '/'),
};

function finds(style, r) {
	try {
		return /^\/+cart(\/|$)/i.test(styles[style](r).trim());
	} catch {
		return false; // not to be decoded
	}
}

// A server of files: joined to the folder, which it must not leave.
function files(r, w) {
	let name = path.normalize(path.join(folder, decodeURIComponent(url.parse(r.url).pathname)));
	if (!name.startsWith(folder)) return missing(w);
	if (fs.existsSync(name) && fs.statSync(name).isDirectory()) name = path.join(name, 'index.html');
	if (!fs.existsSync(name)) return missing(w);
	w.setHeader('Content-Type', 'text/html');
	w.end(fs.readFileSync(name));
}

function missing(w) {
	w.statusCode = 404;
	w.end('no such page');
}

const server = http.createServer((r, w) => {
	r.resume();
	try {
		const style = (r.headers.host || '').split('.')[0];
		if (style === 'files') return files(r, w);
		const found = (style === 'any' ? Object.keys(styles) : [style]).find((style) => finds(style, r));
		if (!found) return missing(w);
		w.setHeader('Content-Type', 'text/html');
		w.setHeader('Shop-Style', found);
		w.setHeader('Content-Length', page.length);
		w.end(page);
	} catch {
		missing(w);
	}
});
server.keepAliveTimeout = 0;
server.listen(Number(port), '127.0.0.1');
