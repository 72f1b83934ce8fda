#!/bin/sh
# Installs the Debian packages of the named groups of tools/packages.txt that are missing:
#   tools/install-packages.sh build python
# Says what it installs; works as root or with sudo; does nothing at all when nothing is missing.
set -eu
list=$(dirname "$0")/packages.txt
missing=
for group in "$@"; do
    for row in $(awk -v group="$group" '
        NF == 1 && !/^#/ { $2 = $1; $1 = "build" }
        $1 == group { print $2 ":" $3 }' "$list"); do
        package=${row%%:*}
        program=${row#*:}
        [ -z "$program" ] || ! command -v "$program" >/dev/null || continue
        status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
        [ "$status" = "install ok installed" ] || missing="$missing $package"
    done
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "These Debian packages are missing, and there is no sudo here. As root:" >&2
        echo "    apt-get install -y --no-install-recommends$missing" >&2
        exit 1
    }
    as_root="sudo"
fi
echo "Installing Debian packages:$missing" >&2
install() {
    # Progress as one line per package; the rest is kept for the case that something goes wrong.
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 $missing > "$log" 2>&1 &
    pid=$!
    seen=0
    while kill -0 "$pid" 2>/dev/null; do
        sleep 1
        now=$(grep -c '^Setting up ' "$log" || true)
        [ "$now" = "$seen" ] || { seen=$now; printf '  %s\n' "$(grep '^Setting up ' "$log" | tail -n 1)" >&2; }
    done
    wait "$pid"
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A machine whose package lists are old or absent needs them fetched once; one whose lists are fresh does not.
install || {
    echo "  fetching the package lists" >&2
    $as_root apt-get update > "$log" 2>&1 || { cat "$log" >&2; exit 1; }
    install || { tail -n 20 "$log" >&2; exit 1; }
}

# Java keeps its own copy of the certificates; those that this machine's administrator has added reach it only this way.
case $missing in
*jre*)
    if ls /usr/local/share/ca-certificates/*.crt > /dev/null 2>&1; then
        $as_root update-ca-certificates > "$log" 2>&1 || { cat "$log" >&2; exit 1; }
    fi
    ;;
esac
