#!/usr/bin/env bash
# A client library opens a connection for every request and closes it first: each leaves a TIME_WAIT
# and a local port that nobody else gets for 60 s. When the range is used up, connect() fails.
set -euo pipefail
# shellcheck source=docs/incidents/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
find_server redis-server redis-server

shop=shop-$$ cache=cache-$$
add_namespaces "$shop" "$cache"
cable "$shop" 10.77.3.2/24 "$cache" 10.77.3.1/24
# 28232 ports by default; with fewer the story does not take 28232 requests.
set_in "$shop" net.ipv4.ip_local_port_range="40000 40255"

start redis "$cache" "${server[@]}" --bind 10.77.3.1 --port 6379 --protected-mode no \
    --save '' --dir "$work"
until_true "Redis listens" port_open "$cache" 10.77.3.1 6379

program checkout <<'PY'
"""Asks for a price 300 times, with a client library that connects for each."""
import errno, socket, time

for request in range(300):
    try:
        cache = socket.create_connection(("10.77.3.1", 6379))
    except OSError as error:
        print(f"request {request + 1}: {errno.errorcode[error.errno]}: {error.strerror}", flush=True)
        break
    cache.sendall(b"GET price\r\n")
    cache.recv(64)
    cache.close()
time.sleep(60)
PY

say "checkout asks its cache for prices, with a connection a request"
live_begin timewait --watch 1 --netns "$shop"
start checkout "$shop" "$work/checkout"
checkout=$started
until_true "connect() fails" grep -q '^request' "$work/checkout.log"
until_shown '"used":256'
live_end
say "checkout: $(<"$work/checkout.log")"
grep -qx 'request 257: EADDRNOTAVAIL: Cannot assign requested address' "$work/checkout.log" ||
    fail "checkout saw something else: $(<"$work/checkout.log")"
expect "the process that left them is named, and the ports are used up" kind=time_wait_sockets \
    owner.comm=checkout owner.pid="$checkout" remote.addr=10.77.3.1 remote.port=6379 \
    time_wait=256 ports.used=256 ports.range=256

# Without hooks nobody can say who left them: that it is not known is said.
diagnose_begin "$shop" 1
diagnose_end ports_exhausted 10.77.3.1:6379
tell timewait --netns "$shop"
expect "a look afterwards does not guess" kind=time_wait_sockets owner.pid=null time_wait=256
told
