#!/bin/sh
# run.sh DIR RUN... - starts the virtual machine in software emulation and shows what it says. Bounded from outside.
set -eu
dir=$1
shift
runs=$(echo "$*" | tr ' ' ,)
limit=${VM_LIMIT:-900}
# KVM is not counted on: a /dev/kvm that opens may still be unusable.
timeout -k 5 "$limit" qemu-system-x86_64 -machine q35,accel=tcg -cpu max -smp 2 -m 1536 -nodefaults -display none -no-reboot \
	-kernel "$dir/vmlinux" -initrd "$dir/initrd" -append "console=ttyS0 quiet loglevel=3 panic=-1 stg.runs=$runs stg.seconds=${VM_SECONDS:-60}" \
	-serial stdio </dev/null >"$dir/console.log" 2>&1 &
qemu=$!
trap 'kill "$qemu" 2>/dev/null || true' INT TERM EXIT
status=0
wait "$qemu" || status=$?
tr -d '\r' <"$dir/console.log"
if ! grep -q '^vm: up' "$dir/console.log"; then
	echo "vm: the machine did not start; see $dir/console.log" >&2
	exit 4
fi
if ! grep -q '^vm: done' "$dir/console.log"; then
	echo "vm: not finished within $limit s (exit $status)" >&2
	exit 1
fi
