#!/bin/sh
# image.sh BUILD DIR - packs DIR/initrd: busybox, udev, the real usbmuxd, libimobiledevice's tools, our programs, the USB modules.
set -eu
build=$1 dir=$2
root=$dir/root
here=$(dirname "$0")
rm -rf "$root"
mkdir -p "$root/usr/bin" "$root/usr/lib" "$root/dev" "$root/proc" "$root/sys" "$root/run" "$root/tmp" "$root/etc" "$root/var/lib/lockdown" \
	"$root/usr/lib/udev/rules.d" "$root/usr/lib/systemd" "$root/root"
for link in bin sbin; do ln -s usr/bin "$root/$link"; done
ln -s bin "$root/usr/sbin"
ln -s usr/lib "$root/lib"
ln -s usr/lib "$root/lib64"
ln -s usr/lib "$root/usr/lib64" 2>/dev/null || true
ln -s /run "$root/var/run"

put() { # FILE [NAME]: with the libraries it needs
	cp -L "$1" "$root/usr/bin/${2:-$(basename "$1")}"
	ldd "$1" 2>/dev/null | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p; s/^\t\(\/[^ ]*\) .*/\1/p' >>"$dir/libraries"
}
: >"$dir/libraries"
put "$(command -v busybox)"
put "$dir/udev/bin/udevadm"
ln -s ../../bin/udevadm "$root/usr/lib/systemd/systemd-udevd"
put "$(command -v usbmuxd)"
for tool in idevice_id ideviceinfo; do put "$(command -v $tool)"; done
put "$build/stager"
put "$build/stager-bench"
put "$build/tests/vm/storm"
sort -u "$dir/libraries" | while read -r lib; do
	mkdir -p "$root/usr/lib/x86_64-linux-gnu"
	case $lib in
	/lib64/*) cp -L "$lib" "$root/usr/lib/" ;;
	*) cp -L "$lib" "$root/usr/lib/x86_64-linux-gnu/" ;;
	esac
done
cp "$dir/udev/lib/udev/rules.d/50-udev-default.rules" /lib/udev/rules.d/39-usbmuxd.rules "$here/../../images/60-stager.rules" "$root/usr/lib/udev/rules.d/"
cp -r "$build/bench-keys" "$root/usr/bin/bench-keys"
version=$(ls "$dir/kernel/lib/modules")
for module in vhci-hcd virtio_console; do
	modprobe -d "$dir/kernel" -S "$version" --show-depends "$module" 2>/dev/null | sed -n 's/^insmod //p'
done | awk '!seen[$0]++' | while read -r path; do
	mkdir -p "$root/modules"
	cp "$path" "$root/modules/"
	echo "$(basename "$path")" >>"$root/modules/order"
done
printf 'root:x:0:0::/root:/bin/sh\nusbmux:x:101:46::/var/lib/usbmux:/bin/false\nstager:x:102:102::/tmp:/bin/false\n' >"$root/etc/passwd"
printf 'root:x:0:\nplugdev:x:46:\nstager:x:102:\ntty:x:5:\ndialout:x:20:\nkmem:x:15:\ninput:x:104:\nvideo:x:44:\nlp:x:7:\ndisk:x:6:\ncdrom:x:24:\ntape:x:26:\nrender:x:105:\nsgx:x:106:\nkvm:x:107:\naudio:x:29:\n' >"$root/etc/group"
printf 'passwd: files\ngroup: files\n' >"$root/etc/nsswitch.conf"
cp "$here/init" "$root/init"
chmod 755 "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet) | lz4 -l -q >"$dir/initrd.new"
mv "$dir/initrd.new" "$dir/initrd"
