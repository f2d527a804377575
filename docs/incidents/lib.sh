# shellcheck shell=bash
# Shared by the incident stories, which source it: namespaces, servers, what is shown and what is
# checked. Everything a story starts lives in network namespaces of its own or is noted here, and is
# gone when the script ends, however it ends.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
story=$(basename "$0" .sh)
tcptrace=${TCPTRACE:-tcptrace}
# Below it `cargo xtask setup --servers` keeps the servers this machine lacks.
servers=${TCPTRACE_SERVERS:-$here/../../target/servers}
PATH=$PATH:/usr/sbin:/sbin

usage() {
    echo "usage: $0 [--check]    TCPTRACE names the binary; --check asserts instead of showing" >&2
    exit 2
}

checking=false
case $#:${1-} in
0:) ;;
1:--check) checking=true ;;
*) usage ;;
esac

fail() {
    echo "FAILED $story: $*" >&2
    exit 1
}

skip() {
    echo "SKIPPED $story: $*" >&2
    exit 77
}

# need PROGRAM PACKAGE
need() {
    command -v "$1" >/dev/null || skip "$1 is missing: install the package $2"
}

[[ $EUID -eq 0 ]] || fail "network namespaces need root: run it through sudo"
need ip iproute2
need ss iproute2
need awk mawk
need python3 python3
command -v "$tcptrace" >/dev/null || fail "$tcptrace not found: set TCPTRACE to the binary"
# The interpreter itself: a wrapper would give the programs below its own name.
python=$(python3 -c 'import sys; print(sys.executable)')

work=$(mktemp -d "${TMPDIR:-/tmp}/tcptrace-$story.XXXXXX")
# Servers that drop their privileges look in here too.
chmod 755 "$work"
namespaces=()
watcher=

# Whatever runs in a namespace of this story was started by this story.
end_namespace() {
    local pids signal
    for signal in TERM KILL; do
        pids=$(ip netns pids "$1" 2>/dev/null) || return 0
        [[ -n $pids ]] || break
        # shellcheck disable=SC2086 # one word each
        kill -$signal $pids 2>/dev/null || true
        # A stopped process would not hear it.
        # shellcheck disable=SC2086
        kill -CONT $pids 2>/dev/null || true
        for _ in {1..20}; do
            [[ -n $(ip netns pids "$1" 2>/dev/null) ]] || break
            sleep 0.05
        done
    done
    ip netns del "$1" 2>/dev/null || true
}

cleanup() {
    local code=$? namespace
    trap - EXIT INT TERM
    set +e
    if [[ -n $watcher ]]; then
        kill -INT "$watcher" 2>/dev/null
        for _ in {1..50}; do
            kill -0 "$watcher" 2>/dev/null || break
            sleep 0.05
        done
        kill -KILL "$watcher" 2>/dev/null
    fi
    if ((code != 0 && code != 77)); then
        tail -n 20 "$work"/*.log >&2 2>/dev/null
    fi
    for namespace in "${namespaces[@]}"; do
        end_namespace "$namespace"
    done
    wait 2>/dev/null
    rm -rf "$work"
    exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# What the reader of the terminal should know.
say() {
    $checking || printf '\n# %s\n' "$*"
}

# until_true "what is awaited" COMMAND...: at most 10 seconds.
until_true() {
    local what=$1
    shift
    for _ in {1..200}; do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.05
    done
    fail "waited 10 s for this: $what"
}

# add_namespaces NAME...: makes them; a name bears the number of this shell, to be unique.
add_namespaces() {
    local namespace
    for namespace; do
        ip netns add "$namespace"
        namespaces+=("$namespace")
        ip -n "$namespace" link set lo up
    done
}

# cable NAMESPACE ADDRESS/LENGTH NAMESPACE ADDRESS/LENGTH: a link between two namespaces.
cables=0
cable() {
    local device=eth$((cables++))
    ip link add name "$device" netns "$1" type veth peer name "$device" netns "$3"
    ip -n "$1" addr add "$2" dev "$device"
    ip -n "$3" addr add "$4" dev "$device"
    ip -n "$1" link set "$device" up
    ip -n "$3" link set "$device" up
}

# inside NAMESPACE COMMAND...
inside() {
    ip netns exec "$@"
}

# set_in NAMESPACE NAME=VALUE...: sysctls of that namespace only.
set_in() {
    local namespace=$1 setting
    shift
    for setting; do
        # shellcheck disable=SC2016
        inside "$namespace" bash -c 'echo "$2" >"/proc/sys/${1//.//}"' _ "${setting%%=*}" "${setting#*=}" ||
            fail "cannot set $setting in its namespace"
    done
}

# start LOG NAMESPACE COMMAND...: in the background; the process is in $started.
start() {
    local log=$work/$1.log
    shift
    ip netns exec "$@" >>"$log" 2>&1 </dev/null &
    # shellcheck disable=SC2034 # read by who sources this
    started=$!
}

# port_open NAMESPACE ADDRESS PORT: something listens there.
port_open() {
    inside "$1" ss -Hltn "src $2:$3" | grep -q .
}

# has_ended PROCESS: of this shell; it may not have been waited for yet.
has_ended() {
    ! kill -0 "$1" || [[ $(awk '/^State:/ { print $2 }' "/proc/$1/status") == Z ]]
}

# queue_is_empty NAMESPACE PORT: no connection waits for accept().
queue_is_empty() {
    inside "$1" ss -Hltn "sport = :$2" | awk '$2 != 0 { exit 1 }'
}

# find_server PROGRAM PACKAGE: sets server (a command) to the system's or the unpacked one.
find_server() {
    local home=$servers/$1 path
    server=()
    if path=$(command -v "$1"); then
        server=("$path")
        return
    fi
    for path in "$home/usr/sbin/$1" "$home/usr/bin/$1"; do
        if [[ -x $path ]]; then
            server=(env "LD_LIBRARY_PATH=$(libraries "$home")" "$path")
            return
        fi
    done
    skip "$1 is missing: install the package $2, or run \`cargo xtask setup --servers\`"
}

# nginx_begin LOG NAMESPACE: starts nginx; stdin is what its configuration has in `http`.
nginx_begin() {
    local log=$1 namespace=$2 option=() part
    mkdir -p "$work/$log"
    {
        echo "daemon off; user root; worker_processes 1; pid $work/$log/pid; error_log stderr;"
        echo "events {}"
        echo "http {"
        echo "access_log off;"
        for part in client_body proxy fastcgi uwsgi scgi; do
            echo "${part}_temp_path $work/$log/$part;"
        done
        cat
        echo "}"
    } >"$work/$log/nginx.conf"
    # Its own log comes before the configuration is read; versions before 1.19.5 do not know this.
    if "${server[@]}" -h 2>&1 | grep -q '^ *-e '; then option=(-e stderr); fi
    start "$log" "$namespace" "${server[@]}" "${option[@]}" -p "$work/$log" -c "$work/$log/nginx.conf"
}

# find_postgres: sets postgres_home, below which PostgreSQL's programs are, and postgres_bin.
find_postgres() {
    local programs
    for postgres_home in / "$servers/postgres"; do
        for programs in "${postgres_home%/}"/usr/lib/postgresql/*/bin; do
            if [[ -x $programs/postgres ]]; then
                postgres_bin=${programs#"${postgres_home%/}"}
                return
            fi
        done
    done
    skip "postgres is missing: install the package postgresql, or run \`cargo xtask setup --servers\`"
}

# as_postgres PROGRAM ARGUMENTS...: replaces this shell; for start and inside. PostgreSQL refuses to
# run as root, and what was unpacked below a home of root is in view of nobody else: so it is shown
# elsewhere, in the mount namespace that `ip netns exec` makes.
as_postgres() {
    # shellcheck disable=SC2016
    postgres_run=(bash -c '
        set -e
        home=$1 place=$2 bin=$3
        shift 3
        if [[ $home != / ]]; then
            mount --bind "$home" "$place"
            home=$place
        fi
        libraries=$(echo "$home"/usr/lib/*-linux-gnu "$home"/lib/*-linux-gnu | tr " " :)
        program=${home%/}$bin/$1
        shift
        cd /
        exec setpriv --reuid=65534 --regid=65534 --clear-groups \
            env -i LC_ALL=C "LD_LIBRARY_PATH=$libraries" "$program" "$@"
    ' _ "$postgres_home" "$work/postgres-home" "$postgres_bin" "$@")
}

# postgres_init NAMESPACE: makes a database cluster.
postgres_init() {
    mkdir -p "$work/postgres-home" "$work/data"
    chown 65534:65534 "$work/data"
    chmod 700 "$work/data"
    as_postgres initdb --pgdata="$work/data" --username=postgres --auth=trust --no-sync --no-locale
    inside "$1" "${postgres_run[@]}" >"$work/initdb.log" 2>&1 || fail "initdb failed"
    echo "host all all 10.77.0.0/16 trust" >>"$work/data/pg_hba.conf"
}

# postgres_begin LOG NAMESPACE ADDRESS: starts PostgreSQL; the process is in $started.
postgres_begin() {
    as_postgres postgres -D "$work/data" -c "listen_addresses=$3" -c unix_socket_directories= \
        -c fsync=off -c shared_buffers=1MB
    start "$1" "$2" "${postgres_run[@]}"
    until_true "PostgreSQL is ready" grep -q "ready to accept connections" "$work/$1.log"
}

# libraries HOME: where unpacked packages have them.
libraries() {
    local directory found=
    for directory in "$1"/usr/lib/*-linux-gnu "$1"/lib/*-linux-gnu; do
        [[ -d $directory ]] && found+=${found:+:}$directory
    done
    echo "$found"
}

# program NAME: a small program from stdin. The kernel calls it NAME, as tcptrace does.
program() {
    {
        echo "#!$python"
        cat
    } >"$work/$1"
    chmod 755 "$work/$1"
}

# tell COMMAND...: shows a command of tcptrace and what it answers; with --check, what it answers in
# JSON is kept for `expect`.
tell() {
    if $checking; then
        "$tcptrace" "$@" --json >"$work/answer.json" 2>"$work/tcptrace.log"
    else
        printf '\n$ tcptrace %s\n' "$*"
        "$tcptrace" "$@"
    fi
}

# live_begin COMMAND...: of tcptrace, in the background, with every hook attached on return.
live_begin() {
    rm -f "$work/ready"
    if $checking; then
        "$tcptrace" "$@" --json --ready-file "$work/ready" \
            >"$work/answer.json" 2>"$work/tcptrace.log" &
    else
        printf '\n$ tcptrace %s\n' "$*"
        "$tcptrace" "$@" --ready-file "$work/ready" &
    fi
    watcher=$!
    until_true "tcptrace attaches its hooks" watcher_is_ready
    if [[ ! -e $work/ready ]]; then
        local pid=$watcher code=0
        watcher=
        wait "$pid" || code=$?
        ((code != 4)) || skip "this kernel cannot show it: $(tail -n 1 "$work/tcptrace.log")"
        fail "tcptrace ended with exit code $code"
    fi
}

# diagnose_begin NAMESPACE SECONDS: doctor looks at it in the background; its hooks are attached on return.
diagnose_begin() {
    rm -f "$work/doctor-ready"
    "$tcptrace" doctor --fail --netns "$1" --for "$2s" --color never \
        --ready-file "$work/doctor-ready" >"$work/doctor.txt" 2>>"$work/doctor.log" &
    doctor=$!
    until_true "doctor attaches its hooks" test -e "$work/doctor-ready"
}

# diagnose_end FINDING NAME [CODE]: the first screen of 80x24 begins with that finding and names that process;
# --fail returned CODE, 5 by default.
diagnose_end() {
    local pid=$doctor code=0 screen first
    wait "$pid" || code=$?
    screen=$(fold -s -w 80 "$work/doctor.txt" | head -n 24)
    $checking || printf '\n$ tcptrace doctor\n%s\n' "$screen"
    first=$(grep -o '\[[a-z0-9_]*\]' <<<"$screen" | head -n 1)
    [[ $first == "[$1]" ]] || fail "doctor finds $first first and not $1: $screen"
    grep -q -- "$2" <<<"$screen" || fail "doctor does not name $2 on its first screen: $screen"
    grep -q '^  do first' <<<"$screen" || fail "doctor does not advise on its first screen: $screen"
    ((code == ${3:-5})) || fail "doctor --fail returned $code"
}

watcher_is_ready() {
    [[ -e $work/ready ]] || ! kill -0 "$watcher"
}

# until_shown TEXT: the live command has said so in JSON; on a terminal, its next look was.
until_shown() {
    if $checking; then
        until_true "tcptrace shows $1" grep -q "$1" "$work/answer.json"
    else
        sleep 1.2
    fi
}

# live_end: ends it as Ctrl-C does, so that a summary follows.
live_end() {
    local pid=$watcher
    # What was seen last is on its way.
    sleep 0.3
    watcher=
    kill -INT "$pid" 2>/dev/null || true
    wait "$pid" || fail "tcptrace ended with exit code $?"
}

# expect "claim" PATH=VALUE...: some object of the last answer has all of these.
expect() {
    $checking || return 0
    "$python" "$here/expect.py" some "$work/answer.json" "$@" || fail "$1"
}

# expect_none "claim" PATH=VALUE...: no object of the last answer has all of these.
expect_none() {
    $checking || return 0
    "$python" "$here/expect.py" none "$work/answer.json" "$@" || fail "$1"
}

# The last line of a story.
told() {
    if $checking; then echo "ok $story"; fi
}
