/*
 * _words.c - what people typed, and what they probably meant.
 *
 * For:    people in gloves.
 * Uses:   getopt.
 * Called: main.c and the commands.
 * Thread: the command's.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <stager/text.h>

#include "_words.h"

#define WORD_MAX 24
#define NAMES_MAX 32

/* Slips of the finger between two words: a letter wrong, missing, too many, or two exchanged. */
static size_t slips(const char *a, const char *b)
{
	size_t d[WORD_MAX + 1][WORD_MAX + 1], n = strlen(a), m = strlen(b);
	if (n > WORD_MAX || m > WORD_MAX)
		return WORD_MAX;
	for (size_t i = 0; i <= n; i++) {
		for (size_t k = 0; k <= m; k++) {
			if (!i || !k) {
				d[i][k] = i + k;
				continue;
			}
			bool same = a[i - 1] == b[k - 1] || (a[i - 1] == '-' && b[k - 1] == '_');
			size_t best = d[i - 1][k - 1] + !same;
			best = d[i - 1][k] + 1 < best ? d[i - 1][k] + 1 : best;
			best = d[i][k - 1] + 1 < best ? d[i][k - 1] + 1 : best;
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] && d[i - 2][k - 2] + 1 < best)
				best = d[i - 2][k - 2] + 1;
			d[i][k] = best;
		}
	}
	return d[n][m];
}

const char *word_nearest(const char *typed, const char *const *words, size_t n)
{
	const char *best = NULL;
	size_t len = strlen(typed), least = len < 5 ? 2 : 3;
	for (size_t i = 0; i < n; i++) {
		size_t far = slips(typed, words[i]);
		if (len >= 3 && strncmp(typed, words[i], len) == 0)
			far = 0;
		if (far < least) {
			least = far;
			best = words[i];
		}
	}
	return best;
}

int word_option(const struct stg_cmd_ctx *c, const struct option *options)
{
	int at = optind;
	opterr = 0;
	int opt = getopt_long(c->argc, c->argv, ":", options, NULL);
	if (opt != ':' && opt != '?')
		return opt;
	char typed[WORD_MAX + 40], shown[64];
	const char *names[NAMES_MAX], *word = c->argv[optind > at ? optind - 1 : at];
	size_t n = 0;
	for (const struct option *o = options; o->name && n < NAMES_MAX; o++)
		names[n++] = o->name;
	word += strspn(word, "-");
	snprintf(typed, sizeof(typed), "%.*s", (int)(strcspn(word, "=") < sizeof(typed) ? strcspn(word, "=") : sizeof(typed) - 1), word);
	stg_printable(typed, true, shown, sizeof(shown));
	const char *guess = word_nearest(typed, names, n);
	fprintf(stderr, "stager %s: ", c->argv[0]);
	if (opt == ':')
		fprintf(stderr, _("--%s needs a value"), shown);
	else if (guess && strcmp(guess, typed) != 0)
		fprintf(stderr, _("there is no option '--%s'; did you mean '--%s'?"), shown, guess);
	else if (guess)
		fprintf(stderr, _("--%s takes no value"), shown);
	else
		fprintf(stderr, _("there is no option '--%s'"), shown);
	fprintf(stderr, "\n%s %s --help\n", _("See: stager"), c->argv[0]);
	return '?';
}

bool words_end(const struct stg_cmd_ctx *c)
{
	char shown[64];
	if (optind >= c->argc)
		return true;
	stg_printable(c->argv[optind], true, shown, sizeof(shown));
	fprintf(stderr, "stager %s: ", c->argv[0]);
	fprintf(stderr, _("'%s' is one word too many"), shown);
	fprintf(stderr, "\n%s %s --help\n", _("See: stager"), c->argv[0]);
	return false;
}
