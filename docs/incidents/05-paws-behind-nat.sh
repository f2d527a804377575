#!/usr/bin/env bash
# Two computers share one address behind a NAT. Each has TCP timestamps of its own: the kernel adds
# an offset that depends on the pair of addresses. When the NAT gives the port of one to the other
# while the server still keeps that connection in TIME_WAIT, the new SYN bears what looks like an old
# timestamp and is dropped. Usually the client's RST then ends the TIME_WAIT and nobody notices; with
# net.ipv4.tcp_rfc1337=1, which guides to hardening recommend, it stays: some users cannot connect now
# and then, and nobody else can reproduce it.
set -euo pipefail
# shellcheck source=docs/incidents/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need nft nftables
find_server nginx nginx

ann=ann-$$ bob=bob-$$ nat=nat-$$ web=web-$$
add_namespaces "$ann" "$bob" "$nat" "$web"
cable "$ann" 192.168.1.2/24 "$nat" 192.168.1.1/24
cable "$bob" 192.168.2.2/24 "$nat" 192.168.2.1/24
cable "$nat" 10.77.5.2/24 "$web" 10.77.5.1/24
ip -n "$ann" route add default via 192.168.1.1
ip -n "$bob" route add default via 192.168.2.1
inside "$nat" nft -f - <<'NFT' || skip "this kernel has no masquerading for nftables"
table ip office {
    chain out {
        type nat hook postrouting priority srcnat
        ip daddr 10.77.5.1 masquerade
    }
}
NFT
# A busy NAT gives a port again sooner than the server forgets it; this one at once.
set_in "$nat" net.ipv4.ip_forward=1 net.netfilter.nf_conntrack_tcp_timeout_time_wait=0 \
    net.netfilter.nf_conntrack_tcp_timeout_close=0
set_in "$web" net.ipv4.tcp_rfc1337=1

# The server closes first, and so keeps the TIME_WAIT.
nginx_begin nginx "$web" <<'CONF'
keepalive_timeout 0;
server { listen 10.77.5.1:8080; return 200 "hello\n"; }
CONF
until_true "nginx listens" port_open "$web" 10.77.5.1 8080

program browser <<'PY'
"""One request; says how long it took. The port is what a NAT with few to spare would choose."""
import socket, time

browser = socket.socket()
browser.settimeout(2.5)
browser.bind(("", 41000))
begin = time.monotonic()
try:
    browser.connect(("10.77.5.1", 8080))
    connected = time.monotonic() - begin
    browser.sendall(b"GET / HTTP/1.0\r\n\r\n")
    while browser.recv(4096):
        pass
    print(f"connected after {connected * 1000:.0f} ms")
except TimeoutError:
    print("cannot connect")
PY

# One of the two clocks is behind the other: to go there, or to come back, is to go back in time.
take_turns() {
    local user
    for user in ann bob ann; do
        echo "$user: $(inside "${!user}" "$work/browser")"
        # Until the server's end is in TIME_WAIT.
        sleep 0.2
    done >"$1"
}

say "Ann and Bob fetch a page by turns, from one address and port as the server sees it"
live_begin watch --netns "$web" --only paws_drop,time_wait
diagnose_begin "$web" 5
take_turns "$work/hardened.out"
live_end
diagnose_end paws nginx
say "$(paste -sd ';' "$work/hardened.out")"
grep -q 'cannot connect' "$work/hardened.out" || fail "everybody could connect"
expect "the TIME_WAIT refused the SYN for its timestamp" kind=paws_drop where=time_wait \
    owner.comm=nginx local.port=8080 remote.addr=10.77.5.2 remote.port=41000 state=TIME_WAIT

say "The same with net.ipv4.tcp_rfc1337=0"
set_in "$web" net.ipv4.tcp_rfc1337=0
live_begin watch --netns "$web" --only paws_drop,time_wait
take_turns "$work/default.out"
live_end
say "$(paste -sd ';' "$work/default.out")"
! grep -q 'cannot connect' "$work/default.out" || fail "the fix did not help"
expect "the SYN is still refused, once" kind=paws_drop where=time_wait owner.comm=nginx
expect "but now the RST that follows ends the TIME_WAIT" kind=time_wait phase=expire \
    ended_by=cancelled owner.comm=nginx
told
