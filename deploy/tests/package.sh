#!/usr/bin/env bash
# Installs, upgrades, removes and purges the package in a Debian of its own: deploy/tests/package.sh OLD.deb NEW.deb [ROOT]
#
# Needs root and debootstrap. ROOT is a Debian made by debootstrap before; it is changed. Nothing is started by the package
# in it, as there is no systemd; what the unit would start is started by hand.
set -euo pipefail

old=$1
new=$2
root=${3:-}
if [ -z "$root" ]; then
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    debootstrap --variant=minbase bookworm "$root" >/dev/null
fi
# A network of its own: the ports of the configuration are free there, and who answers is this one.
if [ -z "${OWN_NETWORK:-}" ]; then
    OWN_NETWORK=yes unshare --net "$0" "$old" "$new" "$root"
    exit
fi
ip link set lo up
install -m 644 "$old" "$root/old.deb"
install -m 644 "$new" "$root/new.deb"
passed=0

inside() {
    chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"
}
ok() {
    passed=$((passed + 1))
    echo "ok   $1"
}
fail() {
    echo "FAIL $1" >&2
    exit 1
}

inside dpkg --install /old.deb >/dev/null
inside dpkg --audit | grep -q . && fail "dpkg has complaints"
inside opwatch --config /etc/opwatch/opwatch.yaml check >/dev/null || fail "the configuration of the package has faults"
[ -L "$root/etc/systemd/system/multi-user.target.wants/opwatch.service" ] || fail "the unit is not enabled"
[ -s "$root/usr/share/bash-completion/completions/opwatch" ] || fail "there are no completions"
ok "installed, with a good configuration and an enabled unit"

# As the unit does it, by the words of its ExecStart.
start=$(sed -n 's/^ExecStart=//p' "$root/lib/systemd/system/opwatch.service")
mkdir -p "$root/var/lib/private/opwatch"
ln -sfn private/opwatch "$root/var/lib/opwatch"
# shellcheck disable=SC2086 # words of a command
chroot "$root" /usr/bin/env -i $start &>"$root/log" &
server=$!
for _ in $(seq 100); do
    inside opwatch --config /etc/opwatch/opwatch.yaml healthcheck &>/dev/null && break
    sleep 0.1
done
inside opwatch --config /etc/opwatch/opwatch.yaml healthcheck >/dev/null || fail "it does not serve: $(cat "$root/log")"
kill -TERM "$server"
wait "$server" || fail "it ends with $?: $(cat "$root/log")"
[ -s "$root/var/lib/opwatch/opwatch.db" ] || fail "there are no data"
ok "served and ended well"

echo 'nonsense: 1' >>"$root/etc/opwatch/opwatch.yaml"
status=0
# shellcheck disable=SC2086
inside $start &>"$root/log" || status=$?
prevent=$(sed -n 's/^RestartPreventExitStatus=//p' "$root/lib/systemd/system/opwatch.service")
[ "$status" = "$prevent" ] || fail "with a fault it ends with $status, but the unit gives up at $prevent"
sed -i '/^nonsense/d' "$root/etc/opwatch/opwatch.yaml"
ok "does not start with a fault, and is not tried again"

echo '# mine' >>"$root/etc/opwatch/opwatch.yaml"
inside dpkg --force-confold --install /new.deb >/dev/null
grep -q '^# mine' "$root/etc/opwatch/opwatch.yaml" || fail "the upgrade has lost a change of the configuration"
[ -s "$root/var/lib/opwatch/opwatch.db" ] || fail "the upgrade has lost the data"
# shellcheck disable=SC2016 # a field of dpkg
[ "$(inside dpkg-query -W -f '${Version}' opwatch)" = "$(dpkg-deb -f "$new" Version)" ] || fail "not the new version"
ok "upgraded, configuration and data kept"

inside dpkg --remove opwatch >/dev/null
[ ! -e "$root/usr/bin/opwatch" ] || fail "the binary is left"
grep -q '^# mine' "$root/etc/opwatch/opwatch.yaml" || fail "removal has lost the configuration"
inside dpkg --purge opwatch >/dev/null
left=$(find "$root/etc" "$root/var/lib" "$root/usr" "$root/lib/systemd" -path "$root/var/lib/dpkg" -prune -o -name '*opwatch*' -print)
[ -z "$left" ] || fail "left after the purge: $left"
ok "removed and purged without a trace"
echo "$passed passed, 0 failed"
