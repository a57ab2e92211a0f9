# A virtual machine with the kernel's virtual USB controller and the real usbmuxd: what happens when many devices arrive at once.
DEPS_VM := qemu-system-x86 busybox-static kmod lz4 cpio xz-utils usbmuxd libimobiledevice-utils
VM      := $(B)/vm
VM_RUN  ?= mend16 station64 station120 plain16

.PHONY: vm
vm: build $(B)/bench-keys/63.pem $(B)/tests/vm/storm  ## arrival storms of 16, 64, 120 devices in a virtual machine with the real usbmuxd
	$(Q)sh images/deps.sh $(DEPS_VM)
	$(Q)sh tests/vm/fetch.sh $(VM)
	$(Q)sh tests/vm/image.sh $(B) $(VM)
	$(Q)sh tests/vm/run.sh $(VM) $(VM_RUN)

$(B)/tests/vm/storm: tests/vm/storm.c $(OBJ) | $(GENERATED)
	@mkdir -p $(@D)
	@echo "  test  $@"
	$(Q)$(CC) $(CFLAGS) -MMD -MP -MF $@.d $(LDHARD) -o $@ $< $(OBJ) $(LIBS)
