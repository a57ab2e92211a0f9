# The corpus of each fuzz entry is gone through in the normal check as well, by any compiler, without libFuzzer.
REPLAY_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(B)/tests/replay/%)
TEST_BIN   += $(REPLAY_BIN)

$(REPLAY_BIN): $(B)/tests/replay/%: tests/fuzz/%.c tests/fuzz/replay.c $(OBJ) | $(GENERATED)
	@mkdir -p $(@D)
	@echo "  test  $@"
	$(Q)$(CC) $(CFLAGS) $(LDHARD) -o $@ $< tests/fuzz/replay.c $(OBJ) $(LIBS)
