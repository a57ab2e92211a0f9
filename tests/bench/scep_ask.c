/*
 * scep_ask.c - asks a SCEP server for many certificates, several at once; prints {"asked","got","seconds"}.
 *
 * For:    tests/bench/scep.sh.
 * Uses:   the client of stager/scep; keys are made before the clock starts.
 * Called: scep_ask URL FINGERPRINT OLD WORDS ASKERS: WORDS holds a line "NAME CHALLENGE" for each certificate.
 * Thread: ASKERS of them.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <stager/net.h>
#include <stager/scep.h>

#define ASKERS_MAX 16
#define WORDS_MAX 10000

static struct stg_scep_server server;
static struct { char name[64]; char word[128]; } words[WORDS_MAX];
static size_t n_words, n_askers;

struct asker {
	pthread_t thread;
	size_t first;
	EVP_PKEY *key;
	struct stg_scep_met met;
	int got;
	char why[240];
};

static void *asks(void *arg)
{
	struct asker *a = arg;
	for (size_t i = a->first; i < n_words; i += n_askers) {
		struct stg_secret word = { 0 };
		struct stg_error err = { 0 };
		const struct stg_scep_wanted w = { .organisation = "Bench", .common_name = words[i].name, .challenge = &word, .key = a->key };
		X509 *c = stg_secret_set(&word, stg_bytes_str(words[i].word), &err) ? stg_scep_enrol(&server, &a->met, &w, &err) : NULL;
		if (c)
			a->got++;
		else
			stg_copy(a->why, sizeof(a->why), err.msg);
		X509_free(c);
		stg_secret_clear(&word);
	}
	return NULL;
}

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	static struct asker askers[ASKERS_MAX];
	struct stg_error err = { 0 };
	FILE *f = argc == 6 ? fopen(argv[4], "r") : NULL;
	if (!f || !stg_scep_old_of(argv[3], &server.old) || !stg_net_start(&err))
		return 2;
	server.url = argv[1];
	server.fingerprint = argv[2];
	while (n_words < WORDS_MAX && fscanf(f, "%63s %127s", words[n_words].name, words[n_words].word) == 2)
		n_words++;
	fclose(f);
	n_askers = (size_t)atoi(argv[5]);
	if (n_askers < 1 || n_askers > ASKERS_MAX)
		return 2;
	for (size_t i = 0; i < n_askers; i++) {
		askers[i].first = i;
		askers[i].key = EVP_RSA_gen(2048);
		if (!askers[i].key || !stg_scep_meet(&server, &askers[i].met, &err)) {
			fprintf(stderr, "scep_ask: %s\n", err.msg);
			return 1;
		}
	}
	double begin = now_s();
	int got = 0;
	for (size_t i = 0; i < n_askers; i++)
		if (pthread_create(&askers[i].thread, NULL, asks, &askers[i]) != 0)
			return 1;
	for (size_t i = 0; i < n_askers; i++) {
		pthread_join(askers[i].thread, NULL);
		got += askers[i].got;
		if (askers[i].why[0])
			fprintf(stderr, "scep_ask: %s\n", askers[i].why);
		stg_scep_met_clear(&askers[i].met);
		EVP_PKEY_free(askers[i].key);
	}
	printf("{\"asked\": %zu, \"got\": %d, \"seconds\": %.3f}\n", n_words, got, now_s() - begin);
	return got == (int)n_words ? 0 : 1;
}
