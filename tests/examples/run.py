#!/usr/bin/env python3
"""The examples part of the tests: docs/schemas, examples/ and real clients of events on a
real site.

    tests/examples/run.py [SITE]

SITE is the site command, ./site where it is left out. Needs the packages of requirements.txt
here and in examples/python, and `npm ci` here and in examples/node: `./site test examples`
installs all. Ends with `N passed, N failed`.
"""

import sys
import tempfile
import time
import traceback

from clients import client_resumes, results_can_be_watched
from own_site import ROOT, Site
from programs import (example_chooses_its_pause, example_goes_on, example_is_cut_off,
                      example_is_quick, example_resumes, example_works)
from schemas import (envelopes_satisfy_the_schema, mistakes_in_queues_are_refused,
                     queues_satisfy_their_schema, results_satisfy_the_schema)

SITE = sys.argv[1] if len(sys.argv) > 1 else ROOT / "site"
PYTHON = [sys.executable, str(ROOT / "examples/python")]
NODE = ["node", str(ROOT / "examples/node")]

ALONE = [queues_satisfy_their_schema, mistakes_in_queues_are_refused]
ON_A_SITE = [example_works(PYTHON, "py"), example_works(NODE, "mjs"),
             envelopes_satisfy_the_schema, results_satisfy_the_schema,
             example_is_quick(PYTHON, "py"), example_is_quick(NODE, "mjs"),
             example_is_cut_off(PYTHON, "py"), example_is_cut_off(NODE, "mjs"),
             example_chooses_its_pause(PYTHON, "py"), example_chooses_its_pause(NODE, "mjs"),
             results_can_be_watched,
             example_goes_on(PYTHON, "py"), example_goes_on(NODE, "mjs"),
             example_resumes(PYTHON, "py"), example_resumes(NODE, "mjs"),
             client_resumes("httpx-sse"), client_resumes("eventsource")]


def passed(check, *arguments):
    began = time.monotonic()
    try:
        note = check(*arguments)
    except Exception:
        traceback.print_exc()
        print(f"FAILED  {check.__doc__}", flush=True)
        return False
    print(f"ok  {time.monotonic() - began:6.1f} s  {check.__doc__} {note or ''}".rstrip(), flush=True)
    return True


def main():
    results = [passed(check) for check in ALONE]
    with tempfile.TemporaryDirectory() as folder:
        site = Site(SITE, folder)
        try:
            results += [passed(check, site) for check in ON_A_SITE]
        finally:
            site.site("down")
    print(f"examples: {sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
