#!/usr/bin/env bash
# A service sets SO_LINGER, to be sure that its last bytes arrive. A peer vanishes (power, cable,
# firewall), and close() blocks until the time is over; in a program with one thread everything stands
# still, and the bytes are lost all the same.
set -euo pipefail
# shellcheck source=docs/incidents/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need nft nftables

bank=bank-$$ branch=branch-$$
add_namespaces "$bank" "$branch"
cable "$bank" 10.77.6.1/24 "$branch" 10.77.6.2/24

program billing <<'PY'
"""Sends each branch its bill and closes, with SO_LINGER of 2 s."""
import socket, struct, sys, time

service = socket.create_server(("10.77.6.1", 7000))
for _ in range(2):
    branch, _ = service.accept()
    branch.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 2))
    branch.recv(16)
    branch.sendall(b"a bill" * 10_000)
    begin = time.monotonic()
    branch.close()
    print(f"close() took {time.monotonic() - begin:.1f} s", flush=True)
PY
program branch <<'PY'
"""Asks for its bill when told so, and reads it."""
import socket, sys

office = socket.create_connection(("10.77.6.1", 7000))
print("connected", flush=True)
sys.stdin.readline()
office.sendall(b"my bill, please\n")
while office.recv(65536):
    pass
PY

start billing "$bank" "$work/billing"
billing=$started
until_true "billing listens" port_open "$bank" 10.77.6.1 7000

say "One branch fetches its bill; the next one vanishes as it has asked"
live_begin watch --netns "$bank" --only linger_close
inside "$branch" "$work/branch" <<<go >/dev/null
mkfifo "$work/order"
inside "$branch" "$work/branch" <"$work/order" >"$work/branch.log" 2>&1 &
exec {order}>"$work/order"
until_true "the branch is connected" grep -q connected "$work/branch.log"
# From now on nothing from the bank reaches it, not even an acknowledgement.
inside "$branch" nft -f - <<'NFT'
table ip dead {
    chain in {
        type filter hook prerouting priority raw
        drop
    }
}
NFT
diagnose_begin "$bank" 4
echo go >&"$order"
until_true "billing has served both" has_ended "$billing"
live_end
diagnose_end closes_block billing
say "billing: $(paste -sd ';' "$work/billing.log")"
expect "the close that blocked is billing's, with its time" kind=linger_close owner.comm=billing \
    owner.pid="$billing" outcome=timed_out linger_seconds=2 blocked_ms\>1900 \
    remote.addr=10.77.6.2 unacked_bytes\>0 remaining_bytes\>0
expect "the close before it did not last" kind=linger_close owner.comm=billing outcome=drained
told
