#!/usr/bin/env bash
# The negative twin of the seven: nginx, HAProxy in front of it, Redis and PostgreSQL serve customers who behave.
# `doctor` must find nothing wrong. TCPTRACE_HEALTHY_SECONDS is how long it looks at each of them, 5 by default.
set -euo pipefail
# shellcheck source=docs/incidents/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
find_server redis-server redis-server
redis=("${server[@]}")
find_server haproxy haproxy
haproxy=("${server[@]}")
find_server nginx nginx
find_postgres
seconds=${TCPTRACE_HEALTHY_SECONDS:-5}

host=host-$$ users=users-$$
add_namespaces "$host" "$users"
cable "$host" 10.77.8.1/24 "$users" 10.77.8.2/24

program customers <<'PY'
"""Eight customers of one server until the time is up, each with 20 requests a connection."""
import socket, struct, sys, threading, time

protocol, port, end = sys.argv[1], int(sys.argv[2]), time.monotonic() + float(sys.argv[3])
served = [0] * 8

def web(line):
    line.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
    answer = line.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200"), answer

def cache(line):
    line.sendall(b"INCR visits\r\n")
    answer = line.recv(4096)
    assert answer.startswith(b":"), answer

def until_ready(line):
    answer = b""
    while not (len(answer) >= 6 and answer[-6:-1] == b"Z\0\0\0\5"):
        more = line.recv(4096)
        assert more, answer
        answer += more

def database(line):
    query = b"select 1\0"
    line.sendall(b"Q" + struct.pack("!i", 4 + len(query)) + query)
    until_ready(line)

def greet(line):
    words = struct.pack("!i", 196608) + b"user\0postgres\0database\0postgres\0\0"
    line.sendall(struct.pack("!i", 4 + len(words)) + words)
    until_ready(line)

def customer(place):
    ask = {"web": web, "cache": cache, "database": database}[protocol]
    while time.monotonic() < end:
        line = socket.create_connection(("10.77.8.1", port))
        if protocol == "database":
            greet(line)
        for _ in range(20):
            ask(line)
            served[place] += 1
        if protocol == "database":
            line.sendall(b"X\0\0\0\4")
        line.close()
        time.sleep(0.01)

customers = [threading.Thread(target=customer, args=(place,)) for place in range(8)]
for one in customers:
    one.start()
for one in customers:
    one.join()
print(f"{sum(served)} requests")
PY

nginx_begin nginx "$host" <<'CONF'
server { listen 10.77.8.1:8080 backlog=511; return 200 "hello\n"; }
CONF
cat >"$work/haproxy.cfg" <<'CONF'
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend www
    bind 10.77.8.1:80
    default_backend pages
backend pages
    server nginx 10.77.8.1:8080 check inter 500
CONF
start haproxy "$host" "${haproxy[@]}" -db -f "$work/haproxy.cfg"
start redis "$host" "${redis[@]}" --bind 10.77.8.1 --port 6379 --protected-mode no --save '' --dir "$work"
postgres_init "$host"
echo "host all all 10.77.8.0/24 trust" >>"$work/data/pg_hba.conf"
postgres_begin postgres "$host" 10.77.8.1
for port in 80 8080 6379; do
    until_true "port $port is open" port_open "$host" 10.77.8.1 "$port"
done

# looked_at NAME PROTOCOL PORT: customers come while doctor looks at server and customers.
looked_at() {
    inside "$users" "$work/customers" "$2" "$3" "$((seconds + 6))" >"$work/customers.out" 2>&1 &
    local customers=$! code=0
    sleep 0.3
    "$tcptrace" doctor --fail --json --netns "$host" --netns "$users" --for "${seconds}s" \
        >"$work/answer.json" 2>>"$work/tcptrace.log" || code=$?
    wait "$customers" || fail "$1: customers were not served: $(tail -n 1 "$work/customers.out")"
    say "$1: $(<"$work/customers.out"), doctor --fail: $code"
    ((code == 0)) || fail "$1 is healthy, but doctor --fail returned $code: $(<"$work/answer.json")"
    "$python" - "$work/answer.json" "$1" <<'PY' || fail "doctor did not look at $1"
import json, sys
report = json.load(open(sys.argv[1]))
assert len(report["namespaces"]) == 2 and report["tried"], report
for finding in report["findings"]:
    print(f"# {sys.argv[2]}: {finding['severity']} {finding['id']}: {finding['title']}", file=sys.stderr)
PY
}

looked_at nginx web 8080
looked_at HAProxy web 80
looked_at Redis cache 6379
looked_at PostgreSQL database 5432
told
