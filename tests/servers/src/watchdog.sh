# Starts a server when told to on standard input, and ends it at the end of that input: then whoever held it is gone.
# Arguments: the directory to remove in the end, and the signal that ends the server well.
dir=$1 quit=$2 pid=
trap '' HUP INT TERM

# The fields of a process after its name: state, parent, ...
fields() {
    read -r line 2>/dev/null <"/proc/$1/stat" && echo "${line##*) }"
}

alive() {
    case $(fields "$pid") in '' | Z* | X*) return 1 ;; esac
}

children() {
    for stat in /proc/[0-9]*/stat; do
        read -r line 2>/dev/null <"$stat" || continue
        set -- ${line##*) }
        [ "$2" = "$pid" ] || continue
        stat=${stat%/stat}
        echo "${stat#/proc/}"
    done
}

stop() {
    family="$pid $(children)"
    if [ "$quit" != KILL ]; then
        kill "-$quit" "$pid"
        kill -CONT $family # it may be paused
        tries=0
        while [ "$tries" -lt 250 ] && alive; do
            sleep 0.02
            tries=$((tries + 1))
        done
    fi
    kill -KILL $family $(children)
    wait "$pid"
}

while read -r verb rest; do
    case $verb in
    start)
        eval "$rest </dev/null >>log 2>&1 &"
        pid=$!
        echo "$pid"
        ;;
    reap)
        wait "$pid"
        pid=
        echo
        ;;
    esac
done
[ -z "$pid" ] || stop
# A PostgreSQL that was killed leaves a segment of shared memory.
if [ -f "$dir/data/postmaster.pid" ]; then
    set -- $(sed -n 7p "$dir/data/postmaster.pid")
    [ -z "$2" ] || ipcrm -m "$2"
fi
cd /
rm -rf "$dir"
