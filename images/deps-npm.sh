#!/bin/sh
# deps-npm.sh [BUILD_DIR] - puts programs not written here, for tests only, under BUILD_DIR/peers: go-ios, which the virtual
# devices must satisfy; prism, a mock of OAuth 2 and ajv, by which the connectors' requests are judged (tests/push/contracts).
# Debian's nodejs 18 runs them. Their install scripts are not run; the binary of go-ios lies under its dist/.
set -eu

wanted='go-ios@1.2.0 @stoplight/prism-cli@5.14.2 oauth2-mock-server@7.2.0 ajv@8.17.1'
dir=${1:-${B:-build}}/peers
missing=
for want in $wanted; do
	[ -d "$dir/node_modules/${want%@*}" ] || missing=yes
done
[ -n "$missing" ] || exit 0

command -v npm >/dev/null 2>&1 || sh "$(dirname "$0")/deps.sh" nodejs npm
mkdir -p "$dir"
echo "deps: fetching $wanted"
# all in one go: npm takes away what the last call did not name
# shellcheck disable=SC2086 # $wanted is a list of words
if ! npm install --prefix "$dir" --ignore-scripts --no-audit --no-fund --no-save --loglevel=error $wanted >"$dir/npm.log" 2>&1; then
	tail -n 10 "$dir/npm.log" >&2
	for want in $wanted; do
		rm -rf "$dir/node_modules/${want%@*}"
	done
	echo "deps: npm could not fetch $wanted; give this machine a line to the npm registry, then try again" >&2
	exit 1
fi
