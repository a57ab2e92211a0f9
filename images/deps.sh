#!/bin/sh
# deps.sh PACKAGE... - installs those of the named Debian packages that are missing. Says nothing when none is.
set -eu

if ! command -v dpkg-query >/dev/null 2>&1; then
	echo "deps: this is not a Debian system; install by hand what matches: $*" >&2
	exit 1
fi
there=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null | sed -n 's/ installed$//p')
missing=
for package in "$@"; do
	case "
$there
" in
	*"
$package
"*) ;;
	*) missing="$missing $package" ;;
	esac
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "deps: missing packages; as root, run: apt-get install --no-install-recommends$missing" >&2
		exit 1
	fi
	as_root=sudo
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
	# a machine that is just starting may still be installing by itself
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1 </dev/null
}
echo "deps: installing$missing"
# an update that half fails (one mirror of several) need not matter: the installation will tell
apt update || true
# shellcheck disable=SC2086 # a list of words
if ! apt install --no-install-recommends $missing; then
	tail -n 15 "$log" >&2
	echo "deps: apt-get could not install$missing; look at the lines above, mend it, then try again" >&2
	exit 1
fi
