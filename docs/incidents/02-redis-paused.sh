#!/usr/bin/env bash
# A Redis that stands still (a fork of a large process, swapping, a slow Lua script, `kill -STOP`)
# accepts nobody. Its accept queue fills, and the kernel drops the SYNs of further clients.
set -euo pipefail
# shellcheck source=docs/incidents/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
find_server redis-server redis-server

cache=cache-$$ shop=shop-$$
add_namespaces "$cache" "$shop"
cable "$cache" 10.77.2.1/24 "$shop" 10.77.2.2/24
set_in "$cache" net.core.somaxconn=4096

start redis "$cache" "${server[@]}" --bind 10.77.2.1 --port 6379 --tcp-backlog 128 \
    --protected-mode no --save '' --dir "$work"
redis=$started
until_true "Redis listens" port_open "$cache" 10.77.2.1 6379

program sessions <<'PY'
"""200 web sessions, each of which wants a connection of its own, at once."""
import errno, selectors, socket, time

selector = selectors.DefaultSelector()
for _ in range(200):
    session = socket.socket()
    session.setblocking(False)
    error = session.connect_ex(("10.77.2.1", 6379))
    assert error == errno.EINPROGRESS, error
    selector.register(session, selectors.EVENT_WRITE)
    time.sleep(0.001)
connected, end = 0, time.monotonic() + 0.5
while (left := end - time.monotonic()) > 0:
    for key, _ in selector.select(left):
        selector.unregister(key.fileobj)
        connected += 1
print(f"{connected} connected (and got no answer), {200 - connected} still waiting")
PY

say "Redis stands still, and 200 sessions want to connect"
kill -STOP "$redis"
live_begin watch --netns "$cache" --only accept_drop --rate-limit 5
inside "$shop" "$work/sessions" >"$work/sessions.out"
live_end
say "sessions: $(<"$work/sessions.out")"
expect "a refused SYN is told with the server it was for" kind=accept_drop owner.comm=redis-server \
    owner.pid="$redis" local.port=6379 remote.addr=10.77.2.2 step=syn outcome=dropped
expect "the queue was over its limit, which is Redis's own" kind=accept_drop queue.length=129 \
    queue.limit=128 limited_by=backlog
grep -q '^129 connected .* 71 still' "$work/sessions.out" ||
    fail "the sessions saw something else: $(<"$work/sessions.out")"

diagnose_begin "$cache" 2
diagnose_end accept_queue_full redis-server
tell listeners --netns "$cache" 6379
expect "the listener is full" kind=listener owner.comm=redis-server full=true \
    accept_queue.length=129 accept_queue.limit=128 limited_by=backlog drops\>70

say "Redis goes on"
kill -CONT "$redis"
until_true "Redis empties the queue" queue_is_empty "$cache" 6379
tell listeners --netns "$cache"
expect "the queue is empty again" kind=listener full=false accept_queue.length=0
told
