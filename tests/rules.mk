# The corpus of each fuzz entry is gone through in the normal check as well, by any compiler, without libFuzzer.
REPLAY_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(B)/tests/replay/%)
TEST_BIN   += $(REPLAY_BIN)

$(REPLAY_BIN): $(B)/tests/replay/%: tests/fuzz/%.c tests/fuzz/replay.c $(OBJ) | $(GENERATED)
	@mkdir -p $(@D)
	@echo "  test  $@"
	$(Q)$(CC) $(CFLAGS) $(LDHARD) -o $@ $< tests/fuzz/replay.c $(OBJ) $(LIBS) $(FUZZ_WRAP)
# What an entry puts itself in place of: the cable, usbmuxd's socket.
%/fuzz_apple_session: FUZZ_WRAP = $(addprefix -Wl$(comma)--wrap=,send poll idevice_new idevice_free idevice_connect idevice_disconnect \
	idevice_connection_get_fd apple_link_secure apple_record_load)
%/fuzz_mux_watch: FUZZ_WRAP = -Wl,--wrap=mux_connect
comma := ,

# Under valgrind and in large journeys RSA keys come from the virtual bench's drawer.
memcheck tests: $(B)/tests/quick_keys.so
# Journeys in virtual time (tests/lib/virtual_time.h).
tests: $(B)/tests/virtual_clock.so
$(B)/tests/virtual_clock.so: tests/virtual_clock.c tests/lib/virtual_clock.h
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -O2 -g $(WARN) -D_GNU_SOURCE -Itests -fPIC -shared -o $@ $< -ldl -lpthread
$(B)/tests/quick_keys.so: tests/quick_keys.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -O2 -g $(WARN) -D_GNU_SOURCE -fPIC -shared -o $@ $< -lcrypto -ldl

.PHONY: soak
soak: deps-check build tests $(B)/bench-keys/63.pem ## the long runs: 200 kills over 40 devices, 1,000 pulled plugs, a real order in depth, every request of every blueprint cut in eight ways (10,000), 10,000 mixed and faulty devices, 10 million erase events, every hostile reply, a rehearsal against real pace
	$(Q)B=$(B) STAGER=$(B)/stager STAGER_BENCH=$(B)/stager-bench STG_KILLS=200 STG_DEVICES=40 $(B)/tests/journeys/test_kill
	$(Q)B=$(B) STAGER=$(B)/stager STAGER_BENCH=$(B)/stager-bench STG_CUTS=1000 STG_DEVICES=40 $(B)/tests/journeys/test_unplug
	$(Q)B=$(B) STAGER=$(B)/stager STAGER_BENCH=$(B)/stager-bench STG_DEVICES=60 STG_DEEP=1 $(B)/tests/journeys/test_real_input
	$(Q)B=$(B) STAGER=$(B)/stager STAGER_BENCH=$(B)/stager-bench STG_CUTS_EACH=0 STG_ROUNDS=3 $(B)/tests/journeys/test_disconnects
	$(Q)B=$(B) STAGER=$(B)/stager STAGER_BENCH=$(B)/stager-bench STG_CUTS_EACH=80 $(B)/tests/journeys/test_unlock_cuts
	$(Q)B=$(B) STAGER=$(B)/stager STAGER_BENCH=$(B)/stager-bench STG_DEVICES=10000 $(B)/tests/journeys/test_thousands
	$(Q)STG_EVENTS=10000000 $(B)/tests/station/test_gate
	$(Q)B=$(B) STAGER=$(B)/stager STAGER_BENCH=$(B)/stager-bench STG_EVERY=1 $(B)/tests/hostile/test_hostile
	$(Q)sh tests/bench/rehearsal.sh $(B)
	@echo "soak: all nine came to their end and agree"

.PHONY: push-faults
push-faults: build tests ## every fault on every request of every kind of receiver (3,012 cells), and 500 kills during pushing
	$(Q)B=$(B) STG_CELLS=0 $(B)/tests/push/test_faults
	$(Q)B=$(B) STG_KILLS=500 $(B)/tests/push/test_killed
