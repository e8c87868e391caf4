"""Logging in: guessed, stolen, forged and planted sessions are nobody's."""

import base64
import json
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from fastapi import HTTPException

from counts.census import Census
from counts.review.sessions import _TRIES_A_NAME, COOKIE, LASTS_S, Guesses, hash_word
from counts.store.people import add_person

API = "/api/v1"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WORD = "correct horse battery"


@pytest.fixture
def camp(guarded):
    """A server that others reach."""
    return lambda **changes: guarded.start(host="camp.local", **changes)


def log_in(client, name: str, word: str = WORD):
    return client.post(f"{API}/login", json={"name": name, "password": word})


def who(client, cookie: str | None = None) -> tuple[int, str]:
    headers = {} if cookie is None else {"Cookie": f"{COOKIE}={cookie}".encode()}
    answer = client.get(f"{API}/me", headers=headers)
    return answer.status_code, answer.json().get("name", "")


def test_a_cookie_is_for_this_server_alone_and_out_of_reach_of_scripts(camp) -> None:
    plain = camp()
    told = log_in(plain, "rita")
    assert told.json() == {"name": "rita", "role": "reviewer"}
    parts = told.headers["set-cookie"].lower().split("; ")
    assert {"httponly", "samesite=strict", "path=/", f"max-age={LASTS_S}"} <= set(parts)
    assert not any(part.startswith("domain") or part == "secure" for part in parts)
    secure = camp()
    secure.base_url = "https://camp.local:8077"
    assert "secure" in log_in(secure, "rita").headers["set-cookie"].lower().split("; ")


def test_a_stolen_cookie_is_worth_nothing_after_a_log_out_and_after_a_new_password(camp, guarded) -> None:
    rita, thief = camp(), camp()
    log_in(rita, "rita")
    stolen = rita.cookies[COOKIE]
    assert who(thief, stolen) == (200, "rita")
    left = rita.post(f"{API}/logout")
    assert left.status_code == 204
    assert 'overfly_session=""' in left.headers["set-cookie"]
    assert who(thief, stolen)[0] == 401
    # Not on a server that is started again either.
    assert who(camp(), stolen)[0] == 401
    log_in(rita, "rita")
    stolen = rita.cookies[COOKIE]
    new = {"name": "rita", "role": "reviewer", "password": "a new word"}
    assert guarded.as_role("manager").post(f"{API}/people", json=new).status_code == 200
    assert who(thief, stolen)[0] == 401
    assert log_in(camp(), "rita").status_code == 401
    assert log_in(camp(), "rita", "a new word").status_code == 200


def test_a_cookie_runs_out(camp, monkeypatch) -> None:
    rita, before = camp(), time.time()
    log_in(rita, "rita")
    cookie, after = rita.cookies[COOKIE], time.time()
    monkeypatch.setattr(time, "time", lambda: before + LASTS_S - 5)
    assert who(rita, cookie)[0] == 200
    monkeypatch.setattr(time, "time", lambda: after + LASTS_S + 5)
    assert who(rita, cookie)[0] == 401


def test_a_session_of_another_census_with_the_same_key_does_not_fit(camp, guarded) -> None:
    rita = camp()
    log_in(rita, "rita")
    cookie = rita.cookies[COOKIE]
    # The same name with another password's hash, as another camp's rita has.
    with Census.open(guarded.path) as census, census.writing() as session:
        add_person(session, "rita", "manager", who="boss", time_utc=NOON, secret=hash_word("something else"))
    assert who(camp(), cookie)[0] == 401


def forged(*facts) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(facts)).encode()).decode()


FORGED = (
    "", ".", "a.b.c", "é", "\x01", forged("mona", 2**31), forged("mona", 2**31) + ".",
    forged("mona", "x", "y") + ".0",
    forged("mona", 2**31, "") + "." + "0" * 64, forged("a\x00b", 1, "") + ".0", forged("\ud800", 1, "") + ".0",
    forged(["mona"], 1, "") + ".0", forged() + ".0", forged("' OR 1=1 --", 1, "") + ".0", "W1tbW1tb" * 900,
    forged("mona" * 9999, 1, "")[:7000] + ".0", base64.urlsafe_b64encode(b"[" * 5000).decode() + ".0",
    forged("mona", 1e308, "") + ".0", forged("nat", 1, "") + ".0", "=.=", "null.null",
)  # fmt: skip


def test_a_cookie_nobody_signed_is_nobodys(camp) -> None:
    client = camp()
    for cookie in FORGED:
        assert who(client, cookie)[0] == 401, cookie
        header = {"Cookie": f"{COOKIE}={cookie}".encode()}
        assert client.get("/", headers=header, follow_redirects=False).status_code == 303


def test_a_session_planted_before_a_login_is_not_what_it_gets(camp) -> None:
    attacker, rita = camp(), camp()
    log_in(attacker, "vera")
    planted = attacker.cookies[COOKIE]
    rita.cookies.set(COOKIE, planted, domain="camp.local")
    given = log_in(rita, "rita").headers["set-cookie"].split(";")[0].removeprefix(f"{COOKIE}=")
    assert given != planted
    assert who(camp(), given) == (200, "rita")
    assert who(camp(), planted) == (200, "vera")
    again = log_in(camp(), "rita").headers["set-cookie"].split(";")[0].removeprefix(f"{COOKIE}=")
    assert again != given, "two logins are two sessions"


def test_guessing_is_slowed_down_by_address_and_one_knows_no_more_after_it(camp) -> None:
    client = camp()
    told = [log_in(client, name, "wrong password") for name in ("rita", "nobody at all", "nat", "local") * 2]
    assert {t.status_code for t in told} == {401}
    assert len({t.text for t in told}) == 1, "whether there is such a name is not told"
    refused = log_in(client, "rita")
    assert refused.status_code == 429, "even the right word waits"
    assert refused.headers["retry-after"] == "300"
    # An own login in between buys no more guesses.
    other = camp()
    for _ in range(7):
        assert log_in(other, "rita", "wrong password").status_code == 401
    assert log_in(other, "vera").status_code == 200
    assert log_in(other, "rita", "wrong password").status_code == 401
    assert log_in(other, "rita", "wrong password").status_code == 429


def test_guessing_one_name_from_many_places_is_slowed_down_and_forgotten_in_time(monkeypatch) -> None:
    guesses, now = Guesses(), [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for i in range(_TRIES_A_NAME):
        guesses.begin("mona", f"10.0.0.{i}")
    with pytest.raises(HTTPException):
        guesses.begin("mona", "10.0.1.1")
    guesses.begin("rita", "10.0.1.1")
    now[0] += 301
    guesses.begin("mona", "10.0.1.1")
    assert len(guesses._times) == 2, "what is over is not kept"


def test_guesses_at_once_are_counted_each() -> None:
    guesses = Guesses()

    def guess(_: int) -> bool:
        try:
            guesses.begin("mona", "10.0.0.1")
        except HTTPException:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(guess, range(200))) == 8


def test_behind_something_that_others_reach_the_local_server_is_open_to_nobody(guarded) -> None:
    """A proxy with TLS passes on what it gets to 127.0.0.1, which is not somebody at this laptop."""
    client = guarded.as_role("manager", names=frozenset({"Census.Example"}))
    assert who(client) == (200, "mona")
    for headers in (
        {"Host": "census.example"},
        {"X-Forwarded-For": "203.0.113.9"},
        {"Forwarded": "for=203.0.113.9"},
        {"X-Forwarded-Host": "census.example"},
    ):
        assert client.get(f"{API}/me", headers=headers).status_code == 401
    told = client.post(f"{API}/login", json={"name": "vera", "password": WORD}, headers={"Host": "census.example"})
    cookie = told.headers["set-cookie"].split(";")[0]
    found = client.get(f"{API}/me", headers={"Host": "census.example", "Cookie": cookie})
    assert found.json() == {"name": "vera", "role": "viewer"}


def test_names_of_all_scripts_are_people_however_they_are_typed(guarded, camp) -> None:
    boss, client = guarded.as_role("manager"), camp()
    for name in ("Zoë Ñandú", "Олена", "جميلة", "山田", "x\u200dy", "O'Neil; --", "<b>&amp;", "🦓"):
        body = {"name": f" {unicodedata.normalize('NFD', name)} ", "role": "viewer", "password": WORD}
        assert boss.post(f"{API}/people", json=body).status_code == 200
        composed = unicodedata.normalize("NFC", name)
        assert log_in(client, composed).status_code == 200
        assert who(client) == (200, composed)
        assert "<b>&amp;" not in client.get("/").text


def test_a_name_that_could_pass_for_another_is_none(guarded) -> None:
    boss = guarded.as_role("manager")
    for name in ("", " ", "a\nb", "a\x00b", "a\u202eb", "x" * 81, "\u2067a", "a\x85b"):
        body = {"name": name, "role": "manager", "password": WORD}
        assert boss.post(f"{API}/people", json=body).status_code == 422, repr(name)


def test_nobody_makes_themselves_or_others_more_than_they_are(guarded) -> None:
    before = guarded.tables()
    for role in ("viewer", "reviewer"):
        client = guarded.as_role(role)
        for name in ("vera", "rita", "new"):
            body = {"name": name, "role": "manager", "password": WORD}
            assert client.post(f"{API}/people", json=body).status_code == 403
    assert guarded.tables() == before
    boss = guarded.as_role("manager")
    assert boss.post(f"{API}/people", json={"name": "mona", "role": "none"}).status_code == 409
    assert boss.post(f"{API}/people", json={"name": " mona ", "role": "viewer"}).status_code == 409


def test_a_key_that_a_full_disk_cut_short_signs_nothing(guarded, tmp_path) -> None:
    (tmp_path / "cache").mkdir(exist_ok=True)
    (tmp_path / "cache" / "session.key").write_bytes(b"")
    with pytest.raises(ValueError, match="cut short"):
        guarded.as_role("manager")
