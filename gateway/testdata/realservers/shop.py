"""A shop with one page, /cart. Its first host label says how it finds out which page is asked for.

The label any is all ways, one after the other.
"""

import http.server
import io
import posixpath
import socketserver
import sys
import urllib.parse
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler

port, folder = int(sys.argv[1]), sys.argv[2]
with open(posixpath.join(folder, "cart", "index.html"), "rb") as file:
    page = file.read()


def django_shop():
    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.urls import re_path

    urls = [re_path(r"^cart(/.*)?$", lambda request, rest=None: HttpResponse(page))]
    settings.configure(ROOT_URLCONF=tuple(urls), ALLOWED_HOSTS=["*"], SECRET_KEY="none", LOGGING_CONFIG=None)
    django.setup()
    return get_wsgi_application()


def werkzeug_shop():
    from werkzeug.exceptions import HTTPException
    from werkzeug.routing import Map, Rule
    from werkzeug.wrappers import Request, Response

    routes = Map([Rule("/cart/"), Rule("/cart/<path:rest>")])

    def shop(environ, start_response):
        try:
            routes.bind_to_environ(environ).match()
            answer = Response(page)
        except HTTPException as refusal:
            answer = refusal
        return answer(environ, start_response)

    return shop


def plain_shop(environ, start_response):
    found = posixpath.normpath(environ["PATH_INFO"]).lstrip("/").lower().split("/")[0] == "cart"
    start_response("200 OK" if found else "404 Not Found", [("Content-Type", "text/html")])
    return [page if found else b"no such page"]


def split_shop(environ, start_response):
    path = urllib.parse.unquote(urllib.parse.urlsplit(environ["target"]).path)
    found = path.strip("/").lower().split("/")[0] == "cart"
    start_response("200 OK" if found else "404 Not Found", [("Content-Type", "text/html")])
    return [page if found else b"no such page"]


def any_shop(environ, start_response):
    for style, shop in shops.items():
        body = b"".join(shop(dict(environ), lambda status, headers: None))
        if body == page:
            start_response("200 OK", [("Content-Type", "text/html"), ("Shop-Style", style)])
            return [page]
    start_response("404 Not Found", [("Content-Type", "text/html")])
    return [b"no such page"]


shops = {"django": django_shop(), "werkzeug": werkzeug_shop(), "plain": plain_shop, "split": split_shop}


class Handler(http.server.SimpleHTTPRequestHandler, WSGIRequestHandler):
    def __init__(self, *args):
        http.server.SimpleHTTPRequestHandler.__init__(self, *args, directory=folder)

    def handle(self):
        http.server.SimpleHTTPRequestHandler.handle(self)

    def log_message(self, *args):
        pass

    def answer(self):
        style = self.headers.get("Host", "").split(".")[0]
        if style == "files":
            return http.server.SimpleHTTPRequestHandler.do_GET(self)
        environ = self.get_environ() | {"target": self.path}
        handler = ServerHandler(io.BytesIO(), self.wfile, io.BytesIO(), environ)
        handler.request_handler = self
        handler.run(any_shop if style == "any" else shops[style])

    do_GET = do_POST = answer


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64
    base_environ = {"SERVER_NAME": "shop.example", "SERVER_PORT": "80", "SCRIPT_NAME": "", "REMOTE_HOST": "", "CONTENT_LENGTH": "", "GATEWAY_INTERFACE": "CGI/1.1"}


Server(("127.0.0.1", port), Handler).serve_forever()
