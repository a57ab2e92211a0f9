/*
 * replay.c - runs a fuzz entry over its corpus without libFuzzer: each seed whole, cut short and with bytes changed.
 *
 * For:    the normal check, with any compiler.
 * Uses:   nothing of ours.
 * Called: linked with one fuzz_NAME.c; reads tests/fuzz/corpus/fuzz_NAME, or the folders given. Speaks TAP.
 * Thread: one.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEED_MAX (16u << 20)
#define CUTS 256
#define CHANGES 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input;
static size_t input_size;
static char kept[512];

/* What the entry died of is kept for the one who mends it. */
static void on_death(int number)
{
	int fd = open(kept, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd >= 0 && write(fd, input, input_size) >= 0) {
		static const char said[] = "the input is kept in ";
		(void)!write(STDERR_FILENO, said, sizeof(said) - 1);
		(void)!write(STDERR_FILENO, kept, strlen(kept));
		(void)!write(STDERR_FILENO, "\n", 1);
	}
	signal(number, SIG_DFL);
	raise(number);
}

/* From a copy of exactly `size` bytes, so that a read behind the end is seen by a sanitizer or valgrind. */
static void feed(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	if (!copy)
		abort();
	memcpy(copy, data, size);
	input = copy;
	input_size = size;
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void seed(const uint8_t *data, size_t size)
{
	uint32_t state = 2463534242u;
	feed(data, size);
	for (size_t i = 0; i < CUTS && i < size; i++)
		feed(data, size <= CUTS ? i : size - 1 - i);
	uint8_t *changed = malloc(size ? size : 1);
	if (!changed)
		abort();
	for (size_t i = 0; i < CHANGES && size && size < 65536; i++) {
		memcpy(changed, data, size);
		for (unsigned int n = 0; n <= i % 3; n++) {
			state ^= state << 13;
			state ^= state >> 17;
			state ^= state << 5;
			changed[(state >> 8) % size] = (uint8_t)state;
		}
		feed(changed, size);
	}
	free(changed);
}

static unsigned int folder(const char *path, unsigned int *n)
{
	struct dirent **names = NULL;
	unsigned int seen = 0;
	int count = scandir(path, &names, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		char file[1024];
		snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
		FILE *f = names[i]->d_name[0] == '.' ? NULL : fopen(file, "rb");
		free(names[i]);
		if (!f)
			continue;
		uint8_t *data = malloc(SEED_MAX);
		if (!data)
			abort();
		size_t size = fread(data, 1, SEED_MAX, f);
		fclose(f);
		seed(data, size);
		free(data);
		printf("ok %u - %s\n", ++*n, file);
		fflush(stdout);
		seen++;
	}
	free(names);
	return seen;
}

int main(int argc, char **argv)
{
	unsigned int n = 0;
	const char *name = strrchr(argv[0], '/');
	char own[480];
	snprintf(own, sizeof(own), "tests/fuzz/corpus/%s", name ? name + 1 : argv[0]);
	snprintf(kept, sizeof(kept), "%s.failed", argv[0]);
	signal(SIGABRT, on_death);
	signal(SIGSEGV, on_death);
	feed((const uint8_t *)"", 0);
	if (argc < 2 && !folder(own, &n))
		printf("not ok 1 - no seed in %s\n", own);
	for (int i = 1; i < argc; i++)
		folder(argv[i], &n);
	return n == 0;
}
