"""Does some object (or none) of an NDJSON file have all of these fields?

    expect.py some|none FILE CLAIM PATH=VALUE|PATH>NUMBER ...

PATH is a dotted path, as in queue.limit=16; VALUE is a string, a number, true, false or null. Says
what was there instead when the claim does not hold, and exits with 1.
"""

import json
import re
import sys


def value_at(thing, path):
    for step in path.split("."):
        if not isinstance(thing, dict) or step not in thing:
            return None
        thing = thing[step]
    return thing


def parse(text):
    match = re.fullmatch(r"([\w.]+)(=|>)(.*)", text)
    if match is None:
        sys.exit(f"expect.py: not a condition: {text}")
    path, relation, wanted = match.groups()
    try:
        wanted = json.loads(wanted)
    except ValueError:
        pass
    return path, relation, wanted


def holds(thing, condition):
    path, relation, wanted = condition
    value = value_at(thing, path)
    if relation == "=":
        return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > wanted


def main():
    mode, file, claim, *texts = sys.argv[1:]
    conditions = [parse(text) for text in texts]
    with open(file, encoding="utf-8") as lines:
        objects = [json.loads(line) for line in lines if line.strip()]
    met = [thing for thing in objects if all(holds(thing, one) for one in conditions)]
    if bool(met) == (mode == "some"):
        return
    print(f"  {claim}: not so", file=sys.stderr)
    print(f"  wanted: {mode} with {' '.join(texts)}", file=sys.stderr)
    # Those that come nearest tell most.
    rank = sorted(objects, key=lambda thing: -sum(holds(thing, one) for one in conditions))
    for thing in rank[:3]:
        wrong = [one for one in conditions if not holds(thing, one)]
        seen = " ".join(f"{path}={json.dumps(value_at(thing, path))}" for path, _, _ in wrong)
        print(f"  {thing.get('kind')}: {seen or json.dumps(thing)}", file=sys.stderr)
    if not objects:
        print("  there was no object at all", file=sys.stderr)
    sys.exit(1)


main()
