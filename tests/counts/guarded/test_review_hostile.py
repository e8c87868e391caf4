"""The review page under attack: whatever is sent, nothing breaks, and nothing is read or changed that may not be."""

import asyncio
import itertools
import json
import re
from pathlib import Path

import pytest
from starlette.websockets import WebSocketDisconnect

from counts.review.guard import Guard
from counts.review.settings import MAX_BODY_BYTES, ReviewSettings

API = "/api/v1"
WORD = "correct horse battery"
UNDO = {"request": "undo-00001"}
INJECTIONS = (
    "' OR '1'='1",
    "x'; DROP TABLE verdicts; --",
    '"; DELETE FROM detections WHERE 1=1; --',
    "1) UNION SELECT name, secret, 1, 1 FROM people --",
    "%' ESCAPE '\\",
    "zebra\\'; ATTACH DATABASE '/tmp/owned.db' AS o; --",
    "{{7*7}}${7*7}<img src=x onerror=alert(1)>",
    "../../../../etc/passwd",
    "a\u202eb\u0301\U0001f993ﷺ",
)
MAY_CHANGE = {
    "reviewer": {
        "verdicts", "review_states", "tallies", "detections", "detection_runs", "detectors", "pair_decisions",
        "sample_assignments", "sample_counts",
    },
    "manager": {"people", "grants", "samples", "sample_frames"},
}  # fmt: skip


def places(value, path=()):
    """Every text in a body: where it is, keys of objects with any names included."""
    if isinstance(value, str):
        yield path
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(part, (*path, key))


def replaced(value, path, text):
    if not path:
        return text
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(copy[path[0]], path[1:], text)
    return copy


@pytest.mark.parametrize("role", ["viewer", "reviewer", "manager"])
def test_sql_in_every_field_is_text_and_nothing_but_what_the_role_may_changes(guarded, routes, role) -> None:
    client = guarded.as_role(role)
    before = guarded.tables()
    sent = 0
    for route in routes:
        if route.path in ("/login", "/logout"):
            continue
        for text in INJECTIONS if route.method == "POST" else INJECTIONS[:4]:
            tries = [{"query": {**route.query, name: text}} for name in route.query]
            tries += [{"at": {**route.at, name: text.replace("/", "%2F")}} for name in route.at]
            tries += [{"body": replaced(route.body, place, text)} for place in places(route.body or {})]
            for changed in tries:
                answer = route.call(client, **changed)
                assert answer.status_code < 500, (route, changed, answer.text)
                assert "sqlite" not in answer.text.lower()
                sent += 1
    assert sent > 100
    after = guarded.tables()
    changed = {name for name in before if before[name] != after.get(name)}
    may = set().union(
        *(MAY_CHANGE[r] for r in ("reviewer", "manager")[: ("viewer", "reviewer", "manager").index(role)])
    )
    assert set(after) == set(before)
    assert changed <= may | {"audit", "sqlite_sequence", "gpkg_contents"}
    assert not Path("/tmp/owned.db").exists()


def test_a_text_that_is_sql_is_kept_as_it_is(guarded) -> None:
    client = guarded.as_role("reviewer")
    label = INJECTIONS[1]
    act = {"request": "verdict-0001", "verdicts": [{"action": "relabel", "detection_id": 1, "label": label}]}
    assert client.post(f"{API}/verdicts", json=act).status_code == 200
    found = client.get(f"{API}/items", params={"label": label, "state": "judged"}).json()["items"]
    assert [(i["detection_id"], i["label"]) for i in found] == [(1, label)]


OUTSIDE = (
    "../../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/app.py", "..%252f..%252fapp.py",
    "..\\..\\app.py", "..%5c..%5capp.py", "%2fetc%2fpasswd", "//etc/passwd", "/etc/passwd", "....//....//app.py",
    "review.css%00.js", "%00", "review.css/../../app.py", "~root", "C:%5cWindows%5cwin.ini", "a" * 300,
    "..%c0%af..%c0%afapp.py", "%uff0e%uff0e/app.py", "file:%2f%2f%2fetc%2fpasswd",
)  # fmt: skip


@pytest.mark.parametrize(
    "under",
    [
        "/static/", "/vendor/", "/frames/", f"{API}/captures/", f"{API}/captures/5/tiles/0/0/",
        f"{API}/detections/1/crop.jpg/", f"{API}/basemap/", f"{API}/basemap/0/0/", "/",
    ],
)  # fmt: skip
def test_no_path_leads_to_a_file_outside(guarded, under) -> None:
    client = guarded.as_role("manager")
    for part in OUTSIDE:
        answer = client.get(under + part)
        assert answer.status_code < 500, part
        assert "root:" not in answer.text
        assert "create_app" not in answer.text
        assert answer.status_code in (307, 400, 404, 405, 422), (part, answer.status_code)


@pytest.mark.parametrize("under", ["/static", "/vendor", f"{API}/captures", ""])
def test_dots_that_no_browser_took_out_lead_nowhere(guarded, under) -> None:
    app = guarded.as_role("manager").app
    for path in (
        "/../app.py",
        "/../../../../../../../etc/passwd",
        "/./../sessions.py",
        "/..\\app.py",
        "/a/../../app.py",
    ):
        status, body = asyncio.run(asked(app, under + path))
        assert status in (400, 404, 422), path
        assert b"root:" not in body
        assert b"import" not in body


async def asked(app, path: str) -> tuple[int, bytes]:
    """Ask with a path as it is: a client for people puts it in order first."""
    sent: list[dict] = []

    async def receive() -> dict:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"",
        "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8077), "state": {},
    }  # fmt: skip
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(m.get("body", b"") for m in sent[1:])


STRANGE_HOSTS = (
    "evil.example", "localhost.evil.example", "evil.example:8077", "localhost@evil.example", "localhost:8077@evil",
    "evil.example#localhost", "[::1", "[::1]evil", "localhost:port", "localhost/evil", "", " ", "127.0.0.1.nip.io",
    "local host", "ʟocalhost", "localhost\\evil", "localhost,evil.example", "0.0.0.0", "127.1", "2130706433",
)  # fmt: skip


def test_a_name_that_is_not_the_servers_is_refused_as_a_rebound_page_would_send_it(guarded) -> None:
    client = guarded.as_role("manager")
    for host, path in itertools.product(STRANGE_HOSTS, ("/", f"{API}/me", "/static/review.css")):
        assert client.get(path, headers={"Host": host.encode()}).status_code == 421, host


def test_the_servers_own_names_are_known_however_they_are_written(guarded) -> None:
    client = guarded.as_role("manager")
    for host in ("localhost", "LOCALHOST:8077", "127.0.0.1:1", "[::1]:8077"):
        assert client.get(f"{API}/me", headers={"Host": host}).status_code == 200, host


def test_a_header_that_decides_is_said_once(guarded) -> None:
    client = guarded.as_role("manager")
    for name, values in (
        ("Host", ("localhost:8077", "evil.example")),
        ("Origin", ("http://localhost:8077", "http://evil.example")),
        ("Sec-Fetch-Site", ("same-origin", "cross-site")),
    ):
        headers = [(name, value) for value in values]
        assert client.post(f"{API}/undo", json=UNDO, headers=headers).status_code == 400


CROSS = (
    {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost"}, {"Origin": "["},
    {"Origin": "http://localhost:8078"}, {"Origin": "http://[::1"}, {"Origin": "file://"}, {"Origin": "é".encode()},
    {"Origin": "http://localhost:8077.evil.example"}, {"Origin": "http://localhost:8077/"},
    {"Origin": "ftp://localhost:8077"}, {"Origin": "javascript://localhost:8077"},
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "sideways"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost:8077"},
)  # fmt: skip


def test_another_page_changes_nothing(guarded, routes) -> None:
    client = guarded.as_role("manager")
    before = guarded.tables()
    posts = [r for r in routes if r.method == "POST"]
    for route, headers, more in itertools.product(posts, CROSS, ({}, {"X-Overfly": "1"})):
        options = {"json": route.body} if route.body else {}
        answer = client.post(API + route.path.format(**route.at), headers={**headers, **more}, **options)
        assert answer.status_code == 403, (route, headers)
    assert guarded.tables() == before


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_form_of_another_page_is_no_json(guarded, kind) -> None:
    client = guarded.as_role("manager")
    content, headers = json.dumps(UNDO).encode(), {"Content-Type": kind}
    assert client.post(f"{API}/undo", content=content, headers=headers).status_code == 415
    del client.headers["X-Overfly"]
    assert client.post(f"{API}/undo", content=content, headers=headers).status_code == 403
    assert client.post(f"{API}/undo", json=UNDO).status_code == 403, "neither an origin nor our header"


def test_another_page_builds_nothing_from_here_into_itself(guarded) -> None:
    client = guarded.as_role("manager")
    for dest in ("image", "script", "iframe", "embed", "object", "empty", "style", "video"):
        for site in ("cross-site", "same-site"):
            headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Dest": dest}
            assert client.get(f"{API}/detections/1/crop.jpg", headers=headers).status_code == 403
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/", headers=link).status_code == 200


def test_every_answer_says_what_a_browser_may_do_with_it(guarded, routes) -> None:
    client, nobody = guarded.as_role("manager"), guarded.as_role("nobody")
    answers = [client.get(p) for p in ("/", "/map", "/people", "/static/review.css", "/missing", f"{API}/items")]
    answers += [nobody.get("/", follow_redirects=False), nobody.get(f"{API}/me"), client.put(f"{API}/me")]
    answers += [
        client.get("/", headers={"Host": "evil"}),
        client.post(f"{API}/undo", content=b"x" * 2 * MAX_BODY_BYTES),
    ]
    answers += [route.call(client) for route in routes if route.method == "GET"]
    for answer in answers:
        headers = answer.headers
        rules = dict(rule.strip().split(" ", 1) for rule in headers["content-security-policy"].split(";"))
        assert rules["default-src"] == "'self'"
        assert rules["frame-ancestors"] == rules["base-uri"] == rules["object-src"] == "'none'"
        assert rules["style-src"] == "'self'"
        assert not any(name.startswith("script-src") for name in rules), "scripts are the server's own files alone"
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == headers["cross-origin-opener-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
        assert re.search("no-store|private", headers["cache-control"])
        assert "server" not in headers
        assert "x-powered-by" not in headers


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "OPTIONS", "HEAD", "PROPFIND", "É"])
def test_other_methods_do_nothing(guarded, routes, method) -> None:
    client = guarded.as_role("manager")
    before = guarded.tables()
    for path in ("/", "/people", "/static/review.css", *(API + r.path.format(**r.at) for r in routes)):
        answer = client.request(method, path, headers={"X-HTTP-Method-Override": "POST"})
        assert answer.status_code in (400, 403, 404, 405) or (method == "HEAD" and answer.status_code in (200, 415)), (
            path
        )
        assert method != "HEAD" or answer.content == b""
    assert guarded.tables() == before


def test_a_get_changes_nothing_whatever_comes_with_it(guarded, routes) -> None:
    client = guarded.as_role("manager")
    before = guarded.tables()
    for route in routes:
        if route.method == "POST":
            answer = client.request("GET", API + route.path.format(**route.at), params=route.body, json=route.body)
            assert answer.status_code < 500
    assert guarded.tables() == before


DEEP = b"[" * 200_000
BODIES = {
    "deep lists": DEEP,
    "deep objects": b'{"a":' * 100_000,
    "deep, and whole": b'{"request":' + b"[" * 900 + b"]" * 900 + b"}",
    "a field that is deep": b'{"request":"undo-00001","x":' + b'{"a":' * 400 + b"1" + b"}" * 400 + b"}",
    "a number of a million digits": b'{"request":"undo-00001","open":' + b"9" * 1_000_000 + b"}",
    "a number of 4000 digits": b'{"request":"undo-00001","open":' + b"9" * 4000 + b',"pair_id":' + b"9" * 4000 + b"}",
    "beyond all numbers": b'{"request":1e999,"positive":1e999,"pair_id":1e999,"frame_id":-1e999,"open":1e999}',
    "no numbers": b'{"request":NaN,"pair_id":NaN,"positive":Infinity,"marks_px":{"z":[[NaN,1]]},"frame_id":1}',
    "many things": b'{"request":"undo-00001","verdicts":[' + b",".join([b"{}"] * 100_000) + b"]}",
    "many keys": b"{" + b",".join(b'"%d":0' % i for i in range(20_000)) + b"}",
    "one key a hundred thousand times": b"{" + b",".join([b'"request":"undo 1"'] * 50_000) + b"}",
    "half a surrogate pair": rb'{"request":"\ud800","name":"\ud800","\udfff":1,"password":"\ud800abcdefg"}',
    "a label that is none": rb'{"request":"count-00001","frame_id":1,"marks_px":{"\ud800":[[1,1]]}}',
    "zeros": rb'{"request":"a\u0000bcdefgh","name":"a\u0000b","note":"\u0000","role":"none"}',
    "a note with a zero": rb'{"request":"answer-0001","pair_id":1,"answer":"same","note":"a\u0000b"}',
    "no UTF-8": b'{"request":"\xff\xfe"}',
    "UTF-16": json.dumps({"request": "undo 1"}).encode("utf-16"),
    "a text": b'"undo-00001"',
    "nothing": b"",
    "null": b"null",
    "a number": b"1",
    "a list": b"[]",
    "cut off": b'{"request":"undo',
    "XML": b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
}


@pytest.mark.slow
def test_no_body_breaks_a_route(guarded, routes) -> None:
    client = guarded.as_role("manager")
    before = guarded.tables()
    posts = [r for r in routes if r.method == "POST" and r.path != "/logout"]
    for route, (name, body) in itertools.product(posts, BODIES.items()):
        answer = client.post(API + route.path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 401, 409, 413, 422), (route, name, answer.text[:200])
        assert len(answer.content) < 20_000
        assert "detail" in answer.json()
    assert guarded.tables() == before


def test_a_wrong_field_is_named_and_a_password_is_not_sent_back(guarded) -> None:
    client = guarded.as_role("manager")
    answer = client.post(f"{API}/people", json={"name": "x", "role": "king", "password": "hunter2hunter2"})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "role"]
    assert "hunter2" not in answer.text


def test_bodies_are_bounded_with_and_without_a_length(guarded) -> None:
    client = guarded.as_role("manager")
    chunks = (b'{"request": "' + b"x" * 65536 for _ in range(40))
    assert client.post(f"{API}/undo", content=chunks).status_code == 413
    for length in ("99999999999999999999", "-1", "1e3", "9" * 5000, "0x10", " ", "1_0"):
        answer = client.post(f"{API}/undo", content=b"{}", headers={"Content-Length": length})
        assert answer.status_code == 413


def test_a_body_that_trickles_is_cut_off() -> None:
    """Eight bytes and then nothing: the request ends after its time, and the page behind it never answers."""

    async def page(scope, receive, send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"acted on half a body"})
                return
            body, more = body + message["body"], message["more_body"]

    async def run() -> list[dict]:
        sent: list[dict] = []
        trickle = [{"type": "http.request", "body": b'{"reque', "more_body": True}]

        async def receive() -> dict:
            if not trickle:
                await asyncio.Event().wait()
            return trickle.pop()

        async def send(message) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": "POST", "path": "/", "raw_path": b"/", "query_string": b"",
            "headers": [(b"host", b"localhost"), (b"x-overfly", b"1")],
        }  # fmt: skip
        await Guard(page, ReviewSettings("x", None, Path("x"), body_s=0.05))(scope, receive, send)
        return sent

    start, body = asyncio.run(run())
    assert start["status"] == 408
    assert b"acted" not in body["body"]


def test_addresses_and_ranges_have_limits(guarded) -> None:
    client = guarded.as_role("manager")
    assert client.get(f"{API}/items", params={"label": "x" * 9000}).status_code == 414
    assert client.get("/" + "x" * 9000).status_code == 414
    assert client.get(f"{API}/items", params=[("label", "z")] * 1000).status_code in (200, 414)
    for ranges in (
        "bytes=" + ",".join(["0-1"] * 1000),
        "bytes=9-1",
        "bytes=-",
        "items=0-1",
        "bytes=" + "9" * 100 + "-",
    ):
        answer = client.get("/static/review.css", headers={"Range": ranges})
        assert answer.status_code in (200, 400, 416), ranges
        assert len(answer.content) < 100_000


NUMBERS = (
    "0",
    "-1",
    "9" * 30,
    "9" * 5000,
    "1e3",
    "0x5",
    "5.0",
    "5.5",
    "NaN",
    "inf",
    "-inf",
    "٥",
    "5 ",
    "%00",
    "null",
    "",
)


@pytest.mark.slow
def test_no_number_breaks_a_route(guarded, routes) -> None:
    client = guarded.as_role("manager")
    for route in routes:
        if route.method != "GET":
            continue
        for number in NUMBERS:
            for name in route.at:
                assert route.call(client, at={**route.at, name: number}).status_code < 500, (route, number)
            for name in route.query:
                assert route.call(client, query={**route.query, name: number}).status_code < 500, (route, number)


def test_a_websocket_is_shut(guarded) -> None:
    client = guarded.as_role("manager")
    for path in ("/", f"{API}/me"):
        with pytest.raises(WebSocketDisconnect) as shut, client.websocket_connect(path):
            pass
        assert shut.value.code == 1008
