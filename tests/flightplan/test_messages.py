"""Sentences with named values: strings like any other, that can be told again from what they were made of."""

import json
import pickle

import pytest

from flightplan.messages import Message, from_stored, message, plural_message, some_of, to_stored

FOUND = message(
    "{flight}: {what}: {pictures}",
    flight="card-1",
    what=plural_message(
        "{count} picture is off by {by:+.1f} m", "{count} pictures are off by {by:+.1f} m", 2, by=(1.0, -2.5)
    ),
    pictures=some_of(["a.jpg", "b.jpg", "c.jpg"], 2),
)


def test_a_message_is_its_english_sentence():
    assert FOUND == "card-1: 2 pictures are off by +1.0, -2.5 m: a.jpg, b.jpg and 1 more"
    assert json.dumps([FOUND]) == json.dumps([str(FOUND)])
    assert {str(FOUND): 1}[FOUND] == 1
    assert type(str(FOUND)) is str
    assert plural_message("{count} picture", "{count} pictures", 1) == "1 picture"


def test_a_message_comes_back_from_what_is_stored_and_from_a_process():
    for again in (from_stored(str(FOUND), json.loads(json.dumps(to_stored(FOUND)))), pickle.loads(pickle.dumps(FOUND))):
        assert isinstance(again, Message)
        assert (again, again.template, again.values["flight"]) == (FOUND, FOUND.template, "card-1")
        what = again.values["what"]
        assert isinstance(what, Message)
        assert (what.many, what.values["count"], what.values["by"]) == (
            "{count} pictures are off by {by:+.1f} m", 2, (1.0, -2.5),
        )  # fmt: skip
    assert to_stored("a plain text") is None


def test_a_message_does_not_change():
    with pytest.raises(AttributeError):
        FOUND.template = "other"
    with pytest.raises(TypeError):
        FOUND.values["flight"] = "other"


@pytest.mark.parametrize(
    "kept",
    [
        None,
        [],
        "x",
        {"template": "other", "values": {}},
        {"template": "{a.__class__}", "values": {"a": "x"}},
        {"template": "{a:>999999999}", "values": {"a": 1}},
        {"template": "{a!r}", "values": {"a": "x"}},
        {"template": "{a", "values": {"a": "x"}},
        {"template": "{a}", "values": {}},
        {"template": "{a}", "values": {"a": {"template": 3}}},
        {"template": "{count}", "many": "{count}s", "values": {}},
    ],
)
def test_what_anybody_may_have_written_beside_a_text_leaves_the_text(kept):
    assert from_stored("the text", kept) == "the text"
    assert not isinstance(from_stored("the text", kept), Message)


def test_messages_in_messages_end_somewhere():
    kept = {"template": "x", "values": {}}
    for _ in range(2_000):
        kept = {"template": "{a}", "values": {"a": kept}}
    assert not isinstance(from_stored("x", kept), Message)
