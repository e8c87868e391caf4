"""A service on the loopback that answers as told, and keeps what it was sent: EarthRanger, SMART Connect or anybody."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "s3cret-t0ken"
OK, HANG, CUT_BEFORE, CUT_AFTER = "ok", "hang", "cut before", "cut after"


class Script:
    """What is answered to the same question, one after the other."""

    def __init__(self, *steps: object) -> None:
        self.steps = list(steps)


class RecordedService:
    """`script` has what to do with the next POSTs: OK, HANG, CUT_BEFORE, CUT_AFTER, or (status, headers, text).

    `answers` are documents by path for questions, `asked` those questions. `accepted` has (path, key, body) of each
    item that it took, in order; `knows_keys` says whether a key it has seen is taken again. `posts` counts requests.
    """

    def __init__(self, *, knows_keys: bool = True, login: tuple[str, str] | None = None) -> None:
        self.script: list = []
        self.answers: dict[str, object] = {}
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self.accepted: list[tuple[str, str, object]] = []
        self.seen: list[dict[str, str]] = []
        self.posts = 0
        self.on_post: Callable[[int], None] = lambda number: None
        self.knows_keys, self.login = knows_keys, login
        self._ended = threading.Event()
        self._hanging, self._hangs, self._expected = threading.Condition(), 0, 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def keys(self) -> list[str]:
        return [key for _, key, _ in self.accepted]

    def hang(self) -> None:
        with self._hanging:
            self._hangs += 1
            self._hanging.notify_all()
        self._ended.wait(60)

    def before(self, request: Any) -> None:
        """Has a client lose patience with a request that is to hang and with no other, however slow this machine is.

        What hung before has reached the service by then: else the next request would be the one to hang.
        """
        with self._hanging:
            assert self._hanging.wait_for(lambda: self._hangs == self._expected, 60)
        if request.method == "POST" and self.script[:1] == [HANG]:
            self._expected += 1
            request.extensions["timeout"]["read"] = 0.15

    def close(self) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> RecordedService:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def found(self, path: str, query: dict[str, list[str]]) -> object:
        """What is answered to a question, as the real ones do."""
        bodies = [body for _, _, body in self.accepted]
        if path.endswith("/activity/events"):
            span = json.loads(query["filter"][0])["date_range"]
            rows = [b for b in bodies if isinstance(b, dict) and span["lower"] <= b.get("time", "") <= span["upper"]]
            return {"data": {"count": len(rows), "next": None, "results": rows}, "status": {"code": 200}}
        (name,) = query
        field = name.removeprefix("client_")
        field = field.partition("_")[0] + "Uuid"
        return [b for b in bodies if b["properties"]["smartAttributes"].get(field) == query[name][0]]


def _handler(service: RecordedService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/connect/home":
                self._answer(200, {}, "<html>")
            else:
                query = parse_qs(parts.query)
                service.asked.append((parts.path, query))
                if service.answers:
                    self._known(service.answers.get(parts.path, (404, {}, "")), query)
                    return
                self._answer(200, {}, json.dumps(service.found(parts.path, query)))

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/j_security_check":
                form = {k: v[0] for k, v in parse_qs(content.decode()).items()}
                is_right = (form.get("j_username"), form.get("j_password")) == service.login
                cookie = {"Set-Cookie": "JSESSIONID=abc; Path=/", "Location": "/connect/home"}
                self._answer(303 if is_right else 401, cookie if is_right else {}, "")
                return
            service.posts += 1
            service.seen.append(dict(self.headers))
            service.on_post(service.posts)
            what = service.script.pop(0) if service.script else OK
            if what == HANG:
                service.hang()
            if what in (HANG, CUT_BEFORE):
                self._cut()
                return
            if isinstance(what, tuple):
                self._answer(*what)
                return
            if service.login and "JSESSIONID=abc" not in self.headers.get("Cookie", ""):
                self._answer(401, {}, "")
                return
            key = self.headers["Idempotency-Key"]
            if service.knows_keys and key in service.keys:
                self._answer(409, {}, '{"status": {"code": 409}}')
                return
            service.accepted.append((self.path, key, json.loads(content)))
            if what == CUT_AFTER:
                self._cut()
                return
            self._answer(201, {}, '{"data": {"id": "1"}, "status": {"code": 201, "message": "Created"}}')

        def _known(self, answer: object, query: dict[str, list[str]]) -> None:
            """Answer what is recorded: a document, one by the question, a status, or the next of a list of those."""
            if service.login and "JSESSIONID=abc" not in self.headers.get("Cookie", ""):
                self._answer(401, {}, "")
                return
            if not service.login and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._answer(401, {}, "")
                return
            if isinstance(answer, Script):
                answer = answer.steps.pop(0)
            if callable(answer):
                answer = answer(query)
            if isinstance(answer, tuple):
                self._answer(*answer)
            else:
                self._answer(200, {}, json.dumps(answer))

        def _answer(self, status: int, headers: dict[str, str], text: str) -> None:
            body = text.encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def _cut(self) -> None:
            self.close_connection = True
            self.connection.close()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (ConnectionError, ValueError):
                self.close_connection = True

    return Handler
