#!/bin/sh
# deps-npm.sh [BUILD_DIR] - puts go-ios, a program not written here that the virtual devices must satisfy, under
# BUILD_DIR/peers. Only tests use it. Its scripts are not run; its binary lies under dist/.
set -eu

want=go-ios@1.2.0
dir=${1:-${B:-build}}/peers
[ ! -d "$dir/node_modules/go-ios" ] || exit 0

command -v npm >/dev/null 2>&1 || sh "$(dirname "$0")/deps.sh" nodejs npm
mkdir -p "$dir"
echo "deps: fetching $want"
if ! npm install --prefix "$dir" --ignore-scripts --no-audit --no-fund --no-save --loglevel=error "$want" >"$dir/npm.log" 2>&1; then
	tail -n 10 "$dir/npm.log" >&2
	rm -rf "$dir/node_modules/go-ios"
	echo "deps: npm could not fetch $want; give this machine a line to the npm registry, then try again" >&2
	exit 1
fi
