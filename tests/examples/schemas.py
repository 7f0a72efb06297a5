"""What the schemas of docs/schemas and deploy take, beside what the site takes."""

import copy
import json

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from own_site import ROOT, WORDS, queues

SCHEMAS = ROOT / "docs/schemas"


def validator(path):
    schemas = [json.loads(file.read_text()) for file in SCHEMAS.glob("*.json")]
    registry = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in schemas
    )
    schema = json.loads(path.read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, registry=registry)


def queues_satisfy_their_schema():
    """deploy/queues.yml satisfies its schema"""
    validator(ROOT / "deploy/queues.schema.json").validate(queues())


def mistakes_in_queues_are_refused():
    """the schema refuses what the site refuses"""
    check = validator(ROOT / "deploy/queues.schema.json")
    right = {"queues": {"words": WORDS}, "periodic": {
        "tick": {"queue": "words", "kind": "count", "every": "5m"}}}
    check.validate(right)
    wrong = [("timeout", "soon"), ("attempts", 0), ("role", "nobody"), ("retries", 3),
             ("results", ["nowhere"]), ("rate", {"limit": 1}), ("timeout", "0s"),
             ("backoff", "0ms"), ("concurrency", 1001), ("batch", 0), ("attempts", 101),
             ("rate", {"limit": 0, "per": "1s"}), ("rate", {"limit": 1, "per": "0s"})]
    for key, value in wrong:
        file = copy.deepcopy(right)
        file["queues"]["words"][key] = value
        assert not check.is_valid(file), (key, value)
    for name in ("words-high", "words-low", "Words"):
        assert not check.is_valid({"queues": {name: WORDS}}), name
    clock = {"cron": "0 3 * * *", "time_zone": "Europe/Berlin", "unique_key": "tick"}
    for when, good in (({"every": "5m"}, True), (clock, True), ({}, False),
                       ({"every": "5m", "cron": "0 3 * * *"}, False), ({"cron": "0 3 * *"}, False),
                       ({"every": "5m", "time_zone": "UTC"}, False), ({"every": "0s"}, False)):
        file = copy.deepcopy(right)
        file["periodic"]["tick"] = {"queue": "words", "kind": "count"} | when
        assert check.is_valid(file) == good, when
    for key in ("role", "timeout", "attempts", "backoff"):
        file = copy.deepcopy(right)
        del file["queues"]["words"][key]
        assert not check.is_valid(file), key


def envelopes_satisfy_the_schema(site):
    """what the site has sent and both examples have ordered satisfies the schema"""
    check = validator(SCHEMAS / "envelope.schema.json")
    bodies = site.stored()
    for subject, body in bodies:
        errors = [error.message for error in check.iter_errors(body)]
        assert not errors, (subject, body, errors)
    subjects = {subject.split(".")[0] for subject, _ in bodies}
    assert subjects == {"events", "dead"}, subjects
    return f"{len(bodies)} envelopes"


def results_satisfy_the_schema(site):
    """each outcome satisfies the schema of results, and no other does"""
    check = validator(SCHEMAS / "compute-result.schema.json")
    job = next(body for subject, body in site.stored() if subject.startswith("dead.words."))
    for outcome in ({"made": {}}, {"failed": "x"}, {"refused": "x"}, {"lost": "x"}, "cancelled",
                    {"failed": "x", "retry_after": "30s"}, {"snoozed": "1m 30s"}):
        check.validate({"queue": "words", "job": job, "outcome": outcome})
    for outcome in ({"done": 1}, {"failed": 1}, "made", {"made": 1, "failed": "x"},
                    {"snoozed": "soon"}, {"retry_after": "1s"}):
        assert not check.is_valid({"queue": "words", "job": job, "outcome": outcome}), outcome
