#!/bin/sh
# fetch.sh DIR - gets a kernel with virtual USB (Debian's normal one; the cloud kernel has none) and udev into DIR, unpacked.
# Nothing is installed on this machine. VM_PACKAGES names a folder where the packages are kept or looked for.
set -eu
dir=$1
packages=${VM_PACKAGES:-$dir/packages}
mkdir -p "$dir" "$packages"

find_one() { ls "$packages"/$1 2>/dev/null | sort -V | tail -n 1; }
get() {
	(cd "$packages" && apt-get -q download "$1" >"$dir/fetch.log" 2>&1) && return
	${SUDO:-$([ "$(id -u)" -eq 0 ] || echo sudo)} apt-get -q update >/dev/null 2>&1 || true
	(cd "$packages" && apt-get -q download "$1" >"$dir/fetch.log" 2>&1) || { cat "$dir/fetch.log" >&2; exit 1; }
}
case $packages in /*) ;; *) packages=$PWD/$packages ;; esac
case $dir in /*) ;; *) dir=$PWD/$dir ;; esac
kernel=$(find_one 'linux-image-[0-9]*-amd64_*.deb')
if [ -z "$kernel" ]; then
	get "$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: *\(linux-image-[0-9].*\)/\1/p' | tail -n 1)"
	kernel=$(find_one 'linux-image-[0-9]*-amd64_*.deb')
fi
udev=$(find_one 'udev_*.deb')
[ -n "$udev" ] || { get udev; udev=$(find_one 'udev_*.deb'); }

if [ ! -e "$dir/vmlinux" ] || [ "$kernel" -nt "$dir/vmlinux" ]; then
	rm -rf "$dir/kernel" && mkdir -p "$dir/kernel"
	dpkg-deb -x "$kernel" "$dir/kernel"
	# An unpacked kernel starts in half the time: the xz stream begins at its magic bytes.
	image=$(ls "$dir"/kernel/boot/vmlinuz-*)
	at=$(LC_ALL=C grep -obUaP '\xFD7zXZ\x00' "$image" | head -n 1 | cut -d: -f1)
	tail -c "+$((at + 1))" "$image" | xz -dc --single-stream >"$dir/vmlinux.new" 2>/dev/null || true
	[ -s "$dir/vmlinux.new" ] || cp "$image" "$dir/vmlinux.new"
	mv "$dir/vmlinux.new" "$dir/vmlinux"
	depmod -b "$dir/kernel" "$(ls "$dir/kernel/lib/modules")"
fi
[ -x "$dir/udev/bin/udevadm" ] || dpkg-deb -x "$udev" "$dir/udev"
