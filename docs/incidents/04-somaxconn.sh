#!/usr/bin/env bash
# nginx asks for a backlog of 511 and gets net.core.somaxconn, here 16: a burst that it would ride
# out while its worker is busy for a moment is refused instead.
set -euo pipefail
# shellcheck source=docs/incidents/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need pgrep procps
find_server nginx nginx

web=web-$$ users=users-$$
add_namespaces "$web" "$users"
cable "$web" 10.77.4.1/24 "$users" 10.77.4.2/24
set_in "$web" net.core.somaxconn=16

program browsers <<'PY'
"""60 requests within a tenth of a second; says how long the slowest took."""
import errno, selectors, socket, time

selector = selectors.DefaultSelector()
begin = time.monotonic()
for _ in range(60):
    browser = socket.socket()
    browser.setblocking(False)
    error = browser.connect_ex(("10.77.4.1", 8080))
    assert error == errno.EINPROGRESS, error
    selector.register(browser, selectors.EVENT_WRITE)
    time.sleep(0.001)
print("sent", flush=True)
answered, slow, last = 0, 0, 0.0
while answered < 60 and time.monotonic() - begin < 9:
    for key, events in selector.select(0.5):
        if events & selectors.EVENT_WRITE:
            key.fileobj.sendall(b"GET / HTTP/1.0\r\n\r\n")
            selector.modify(key.fileobj, selectors.EVENT_READ)
        else:
            assert key.fileobj.recv(4096)
            selector.unregister(key.fileobj)
            answered += 1
            last = time.monotonic() - begin
            slow += last > 0.9
print(f"{answered} answered, {slow} of them after a second or more, the last after {last:.1f} s")
PY

# serve LOG: nginx with one worker, whose number is in $worker.
serve() {
    nginx_begin "$1" "$web" <<'CONF'
server { listen 10.77.4.1:8080 backlog=511; return 200 "hello\n"; }
CONF
    nginx=$started
    until_true "nginx listens" port_open "$web" 10.77.4.1 8080
    until_true "nginx has its worker" pgrep -P "$nginx"
    worker=$(pgrep -P "$nginx")
}

# burst OUT: 60 requests while the worker is busy for a third of a second.
burst() {
    kill -STOP "$worker"
    start "$1" "$users" "$work/browsers"
    local browsers=$started
    until_true "all have asked" grep -q sent "$work/$1.log"
    sleep 0.2
    kill -CONT "$worker"
    wait "$browsers"
}

say "60 requests come while nginx's worker is busy for a third of a second"
serve nginx
live_begin watch --netns "$web" --only accept_drop --rate-limit 5
diagnose_begin "$web" 4
burst refused
live_end
diagnose_end accept_queue_full nginx
say "browsers: $(tail -n 1 "$work/refused.log")"
expect "refused SYNs are nginx's, and somaxconn is why" kind=accept_drop owner.comm=nginx \
    local.port=8080 step=syn queue.length=17 queue.limit=16 limited_by=somaxconn
tell listeners --netns "$web"
expect "the listener's row names the limit that binds" kind=listener owner.comm=nginx \
    accept_queue.limit=16 limited_by=somaxconn drops\>40
grep -Eq ' [1-9][0-9]* of them after' "$work/refused.log" || fail "no browser had to wait"

say "somaxconn=4096; nginx is restarted, for the limit is taken at listen()"
set_in "$web" net.core.somaxconn=4096
kill "$nginx"
wait "$nginx" || true
serve nginx-again
live_begin watch --netns "$web" --only accept_drop
burst served
live_end
say "browsers: $(tail -n 1 "$work/served.log")"
expect_none "the same burst is not refused" kind=accept_drop
tell listeners --netns "$web"
expect "the backlog counts now" kind=listener owner.comm=nginx accept_queue.limit=511 \
    limited_by=backlog drops=0
told
