<?php
// A shop with one page, /cart. Its first host label says how it finds out which page is
// asked for; any is all ways, one after the other.
function route(string $style): string
{
	switch ($style) {
		case 'info': // what follows the script's name
			return $_SERVER['PATH_INFO'] ?? $_SERVER['ORIG_PATH_INFO'] ?? '';
		case 'self': // likewise, by a script that looks for its own name
			return preg_replace('#^.*?/index\.php#i', '', $_SERVER['PHP_SELF'] ?? '');
		case 'url': // a parser of URLs, then decoded
			return rawurldecode((string) parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH));
		case 'query': // the target up to its question mark, decoded as forms are, without what the script is called
			$path = urldecode(explode('?', $_SERVER['REQUEST_URI'], 2)[0]);
			return preg_replace('#^/index\.php(?=/|$)#', '', $path);
		case 'blog': // the part behind the script if there is one, or else the target in both forms
			$info = explode('?', $_SERVER['PATH_INFO'] ?? '', 2)[0];
			$path = explode('?', $_SERVER['REQUEST_URI'], 2)[0];
			$path = trim(str_replace(str_replace('%', '%25', $info), '', $path), '/');
			$path = trim($info, '/') !== '' ? trim($info, '/') : $path;
			return '/' . (preg_match('#^cart(/|$)#i', $path) ? $path : urldecode($path));
		case 'rewritten': // what the server's rewriting has found
			return '/' . ($_SERVER['REDIRECT_ROUTE'] ?? $_SERVER['ROUTE'] ?? '');
		case 'symfony':
			require_once '/usr/share/php/Symfony/Component/HttpFoundation/autoload.php';
			return rawurldecode(Symfony\Component\HttpFoundation\Request::createFromGlobals()->getPathInfo());
	}
	return '';
}

$style = explode('.', $_SERVER['HTTP_HOST'] ?? '', 2)[0];
$styles = $style === 'any' ? ['info', 'self', 'url', 'query', 'blog', 'rewritten', 'symfony'] : [$style];
foreach ($styles as $style) {
	if (preg_match('#^/+cart(/|$)#i', trim(route($style)))) {
		header('Content-Type: text/html');
		header('Shop-Style: ' . $style);
		readfile(__DIR__ . '/page.txt');
		exit;
	}
}
http_response_code(404);
echo 'no such page';
