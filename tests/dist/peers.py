"""Who the static plugin talks to in scripts/test-dist.sh, in a network of their own: a name server that
knows engine.test alone, and an engine that has nothing and refuses pulls, over TCP and over TLS.

peers.py CERTIFICATE KEY; it says "ready" when all of them answer."""

import base64
import http.server
import json
import socketserver
import ssl
import sys
import threading

ANSWERS = {
    "/_ping": "OK",
    "/version": {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12", "Os": "linux", "Arch": "amd64"},
    "/info": {"OSType": "linux", "Architecture": "x86_64", "Driver": "overlay2", "SecurityOptions": []},
    "/containers/json": [],
    "/images/json": [],
    "/networks": [],
    "/volumes": {"Volumes": [], "Warnings": None},
}


class Names(socketserver.BaseRequestHandler):
    """RFC 1035, for questions of one name."""

    def handle(self):
        query, socket = self.request
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        question, kind = query[12 : at + 5], query[at + 2]
        known = labels == ["engine", "test"]
        addresses = 1 if known and kind == 1 else 0
        flags = b"\x81\x80" if known else b"\x81\x83"
        answer = query[:2] + flags + b"\0\1" + bytes([0, addresses]) + b"\0\0\0\0" + question
        if addresses:
            answer += b"\xc0\x0c\0\1\0\1\0\0\0\x05\0\4" + bytes([127, 0, 0, 1])
        socket.sendto(answer, self.client_address)


class Engine(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.split("?")[0]
        if path.startswith("/v1"):
            path = path[path.index("/", 1) :]
        if path in ANSWERS:
            self.answer(200, ANSWERS[path])
        else:
            self.answer(404, {"message": "no such thing"})

    def answer(self, status, answer):
        body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("Api-Version", "1.41")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def do_POST(self):
        """A pull: tells who asked for it."""
        login = json.loads(base64.urlsafe_b64decode(self.headers.get("X-Registry-Auth", "e30=")))
        self.answer(401, {"message": f"no image for {login.get('username')}, {login.get('password')}"})

    def log_message(self, *_):
        pass


certificate, key = sys.argv[1:]
plain = http.server.ThreadingHTTPServer(("127.0.0.1", 2375), Engine)
secure = http.server.ThreadingHTTPServer(("127.0.0.1", 2376), Engine)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
secure.socket = context.wrap_socket(secure.socket, server_side=True)
for server in socketserver.UDPServer(("127.0.0.1", 53), Names), plain, secure:
    threading.Thread(target=server.serve_forever).start()
print("ready", flush=True)
