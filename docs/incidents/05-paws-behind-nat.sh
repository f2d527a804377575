#!/usr/bin/env bash
# Two computers share one address behind a NAT. Each has TCP timestamps of its own (the kernel adds
# an offset per pair of addresses). When the NAT gives the port of one to the other while the server
# still keeps that connection in TIME_WAIT, the new SYN bears what looks like an old timestamp and is
# dropped: some users wait for a second now and then, and nobody else can reproduce it.
set -euo pipefail
# shellcheck source=docs/incidents/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need nft nftables
find_server nginx nginx

namespace ann
namespace bob
namespace nat
namespace web
cable "$ann" 192.168.1.2/24 "$nat" 192.168.1.1/24
cable "$bob" 192.168.2.2/24 "$nat" 192.168.2.1/24
cable "$nat" 10.77.5.2/24 "$web" 10.77.5.1/24
ip -n "$ann" route add default via 192.168.1.1
ip -n "$bob" route add default via 192.168.2.1
# A busy NAT has no port to spare and soon gives one again: faster than the server forgets it.
inside "$nat" nft -f - <<'NFT' || skip "this kernel has no masquerading for nftables"
table ip office {
    chain out {
        type nat hook postrouting priority srcnat
        ip daddr 10.77.5.1 masquerade
    }
}
NFT
set_in "$nat" net.ipv4.ip_forward=1 net.netfilter.nf_conntrack_tcp_timeout_time_wait=1 \
    net.netfilter.nf_conntrack_tcp_timeout_last_ack=1 net.netfilter.nf_conntrack_tcp_timeout_close=1

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
browser.settimeout(9)
browser.bind(("", 41000))
begin = time.monotonic()
browser.connect(("10.77.5.1", 8080))
connected = time.monotonic() - begin
browser.sendall(b"GET / HTTP/1.0\r\n\r\n")
while browser.recv(4096):
    pass
print(f"connected after {connected:.3f} s")
PY

say "Ann and Bob fetch a page by turns, from one address and port as the server sees it"
live_begin watch --netns "$web" --only paws_drop
for user in ann bob ann; do
    line="$user: $(inside "${!user}" "$work/browser")"
    say "$line"
    echo "$line" >>"$work/users.out"
    # Until the NAT has forgotten the connection.
    sleep 1.2
done
live_end
# One of the two clocks is behind the other: to go there, or to come back, is to go back in time.
grep -Eq 'after [1-9]' "$work/users.out" || fail "nobody had to wait: $(<"$work/users.out")"
expect "the TIME_WAIT refused the SYN for its timestamp" kind=paws_drop where=time_wait \
    owner.comm=nginx local.port=8080 remote.addr=10.77.5.2 remote.port=41000 state=TIME_WAIT
told
