#!/usr/bin/env bash
# PostgreSQL was restarted. A client's connection pool never looks at its idle connections and so
# never closes them: they stay in CLOSE_WAIT for ever, each with a file descriptor.
set -euo pipefail
# shellcheck source=docs/incidents/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need setpriv util-linux
find_postgres

db=db-$$ shop=shop-$$
add_namespaces "$db" "$shop"
cable "$db" 10.77.7.1/24 "$shop" 10.77.7.2/24

postgres_init "$db"
postgres_begin postgres "$db" 10.77.7.1
postgres=$started

program payments <<'PY'
"""Keeps 12 connections to PostgreSQL ready, and none of them in view."""
import socket, struct, time

login = struct.pack("!i", 196608) + b"user\0postgres\0database\0postgres\0\0"
pool = []
for _ in range(12):
    connection = socket.create_connection(("10.77.7.1", 5432))
    connection.sendall(struct.pack("!i", len(login) + 4) + login)
    # Z: ready for a query.
    while not (answer := connection.recv(8192)).endswith(b"Z\0\0\0\x05I"):
        assert answer
    pool.append(connection)
print("12 connections in the pool", flush=True)
time.sleep(60)
PY
start payments "$shop" "$work/payments"
payments=$started
until_true "the pool is full" grep -q 12 "$work/payments.log"
tell states --netns "$shop"
expect "nothing is wrong with the pool" kind=sockets state=ESTABLISHED owner.comm=payments count=12 \
    anomaly=null

say "PostgreSQL is restarted"
kill -INT "$postgres"
wait "$postgres" || true
postgres_begin postgres-again "$db" 10.77.7.1
# So that the age can be seen.
sleep 1
# Nobody is refused yet: a risk, by which --fail does not fail.
diagnose_begin "$shop" 2
diagnose_end close_wait_leak payments 0
tell states --netns "$shop"
expect "the pile in CLOSE_WAIT is payments', with its age" kind=sockets state=CLOSE_WAIT \
    owner.comm=payments owner.pid="$payments" count=12 top_remote.addr=10.77.7.1 \
    top_remote.port=5432 silent_ms_max\>900
told
