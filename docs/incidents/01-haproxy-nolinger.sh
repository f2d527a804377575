#!/usr/bin/env bash
# HAProxy with `option nolinger`, set to be rid of TIME_WAIT: it closes with a RST, which throws away
# whatever the client has not read yet. Slow clients get truncated downloads.
set -euo pipefail
# shellcheck source=docs/incidents/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
find_server haproxy haproxy
haproxy=("${server[@]}")
find_server nginx nginx

lb=lb-$$ office=office-$$
add_namespaces "$lb" "$office"
cable "$lb" 10.77.1.1/24 "$office" 10.77.1.2/24

mkdir "$work/www"
head -c 3000000 /dev/zero >"$work/www/report.csv"
nginx_begin nginx "$lb" <<CONF
server { listen 127.0.0.1:8081; root $work/www; }
CONF
cat >"$work/haproxy.cfg" <<CONF
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    option nolinger
frontend www
    bind 10.77.1.1:80
    default_backend reports
backend reports
    server nginx 127.0.0.1:8081
CONF
start haproxy "$lb" "${haproxy[@]}" -db -f "$work/haproxy.cfg"
balancer=$started
until_true "nginx listens" port_open "$lb" 127.0.0.1 8081
until_true "HAProxy listens" port_open "$lb" 10.77.1.1 80

program download <<'PY'
"""Fetches a report over a slow line: reads, waits, reads on."""
import socket, time

line = socket.socket()
line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
line.settimeout(10)
line.connect(("10.77.1.1", 80))
line.sendall(b"GET /report.csv HTTP/1.1\r\nHost: reports\r\nConnection: close\r\n\r\n")
received, end = 0, "complete"
try:
    while data := line.recv(200_000):
        received += len(data)
        time.sleep(0.05)
except ConnectionResetError as error:
    end = error.strerror
print(f"{received // 1000} of 3000 kB: {end}")
PY

say "A client on a slow line downloads a report of 3 MB"
live_begin watch --netns "$lb" --lport 80 --only rst_sent
diagnose_begin "$lb" 4
inside "$office" "$work/download" >"$work/truncated.out"
live_end
diagnose_end linger_zero_resets haproxy
say "download: $(<"$work/truncated.out")"
grep -q 'Connection reset by peer' "$work/truncated.out" ||
    fail "the download was not cut off: $(<"$work/truncated.out")"
expect "HAProxy reset the client by SO_LINGER{1,0}" kind=rst_sent cause=linger_zero \
    owner.comm=haproxy local.port=80 remote.addr=10.77.1.2 linger.on=true linger.seconds=0
expect "what it threw away is told" kind=rst_sent cause=linger_zero unacked_bytes\>0

say "The same without \`option nolinger\`"
kill "$balancer"
wait "$balancer" || true
sed -i '/option nolinger/d' "$work/haproxy.cfg"
start haproxy "$lb" "${haproxy[@]}" -db -f "$work/haproxy.cfg"
until_true "HAProxy listens again" port_open "$lb" 10.77.1.1 80
live_begin watch --netns "$lb" --lport 80 --only rst_sent
inside "$office" "$work/download" >"$work/whole.out"
live_end
say "download: $(<"$work/whole.out")"
grep -q ': complete' "$work/whole.out" || fail "the fix did not help: $(<"$work/whole.out")"
expect_none "no reset without the option" kind=rst_sent
told
