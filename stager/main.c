/*
 * main.c - finds the subcommand.
 *
 * For:    people and scripts; without a subcommand it is `status`.
 * Uses:   the commands found on disk.
 * Called: by the shell.
 * Thread: one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <stager/cmd.h>
#include <stager/log.h>
#include <stager/registry.h>
#include <stager/text.h>

#include "cmd/_manual.h"
#include "cmd/_words.h"

#define COMMANDS_MAX 64

static const struct stg_cmd *find(const char *name)
{
	for (const struct stg_cmd *const *c = stg_cmds; *c; c++)
		if (strcmp((*c)->name, name) == 0)
			return *c;
	return NULL;
}

static void help(FILE *to)
{
	fprintf(to, "%s\n\n", _("stager - stages phones and tablets on a bench without a network"));
	fprintf(to, "  stager [--state DIR] [--as NAME] [--lang en|fr] [--json] [--quiet] COMMAND ...\n\n");
	for (const struct stg_cmd *const *c = stg_cmds; *c; c++)
		fprintf(to, "  %-11s %s\n", (*c)->name, _((*c)->about));
	fprintf(to, "\n%s\n", _("`stager COMMAND --help` tells more. Nothing plugged in and curious? `stager demo`."));
}

static const char *nearest(const char *typed)
{
	const char *names[COMMANDS_MAX];
	size_t n = 0;
	for (const struct stg_cmd *const *c = stg_cmds; *c && n < COMMANDS_MAX; c++)
		names[n++] = (*c)->name;
	return word_nearest(typed, names, n);
}

/* Options that every command knows may stand anywhere before "--"; what is left is the command's own. */
static bool common_option(struct stg_cmd_ctx *c, int argc, char **argv, int *at, const char **lang, bool *wants_help)
{
	const char *a = argv[*at];
	static const char *const with_value[] = { "--state", "--as", "--lang" };
	for (size_t i = 0; i < STG_ARRAY_LEN(with_value); i++) {
		size_t n = strlen(with_value[i]);
		const char *value = NULL;
		if (strncmp(a, with_value[i], n) != 0 || (a[n] && a[n] != '='))
			continue;
		if (a[n] == '=')
			value = a + n + 1;
		else if (*at + 1 < argc)
			value = argv[++*at];
		else {
			fprintf(stderr, "stager: %s %s\n", with_value[i], _("needs a value"));
			exit(2);
		}
		if (i == 0)
			c->state = value;
		else if (i == 1)
			c->actor = value;
		else
			*lang = value;
		return true;
	}
	if (strcmp(a, "--json") == 0)
		c->json = true;
	else if (strcmp(a, "--quiet") == 0 || strcmp(a, "-q") == 0)
		c->quiet = true;
	else if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0)
		*wants_help = true;
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	struct stg_cmd_ctx c = { 0 };
	const char *lang = NULL;
	bool wants_help = false, verbatim = false;
	STG_AUTO(stg_free_at) char **rest = stg_calloc((size_t)argc + 2, sizeof(*rest));
	signal(SIGPIPE, SIG_IGN);
	/* libldap would read ldap.conf, the person's ldaprc and LDAP*: a station asks only what its own settings say */
	(void)setenv("LDAPNOINIT", "1", 1);
	/* a program that falls leaves no copy of what it knew; the service's unit says the same */
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	for (int i = 1; i < argc; i++) {
		if (!verbatim && strcmp(argv[i], "--") == 0)
			verbatim = true;
		if (!verbatim && common_option(&c, argc, argv, &i, &lang, &wants_help))
			continue;
		rest[c.argc++] = argv[i];
	}
	if (lang && strcmp(lang, "en") != 0 && strcmp(lang, "fr") != 0) {
		fprintf(stderr, "stager: --lang en|fr\n");
		return 2;
	}
	stg_language_set(lang);
	if (c.argc && strcmp(rest[0], "--version") == 0) {
		puts("stager " STG_VERSION);
		return 0;
	}
	if (!c.argc && wants_help) {
		help(stdout);
		return 0;
	}
	if (c.argc && strcmp(rest[0], "help") == 0) {
		if (c.argc == 1) {
			help(stdout);
			return 0;
		}
		if (strcmp(rest[1], "--completion") == 0) {
			manual_completion();
			return 0;
		}
		if (strcmp(rest[1], "--man") == 0) {
			const struct stg_cmd *of = c.argc > 2 ? find(rest[2]) : NULL;
			if (c.argc > 2 && !of)
				return 2;
			manual_page(of);
			return 0;
		}
		memmove(rest, rest + 1, (size_t)c.argc-- * sizeof(*rest));
		wants_help = true;
	}
	static char status[] = "status";
	if (!c.argc)
		rest[c.argc++] = status;
	c.argv = rest;
	const struct stg_cmd *cmd = find(rest[0]);
	if (!cmd) {
		const char *guess = nearest(rest[0]);
		char shown[64];
		stg_printable(rest[0], true, shown, sizeof(shown));
		fprintf(stderr, shown[0] == '-' ? _("stager: there is no option '%s'.") : _("stager: there is no command '%s'."), shown);
		if (guess)
			fprintf(stderr, _(" Did you mean '%s'?"), guess);
		else
			fprintf(stderr, " %s", _("They are listed by: stager --help"));
		fputc('\n', stderr);
		return 2;
	}
	if (wants_help) {
		printf("%s\n\n%s\n", _(cmd->about), _(cmd->usage));
		return 0;
	}
	struct stg_caller caller = { .fd = -1 };
	c.caller = &caller;
	int status_code = cmd->run(&c);
	stg_caller_close(&caller);
	if (fflush(stdout) != 0 && status_code == 0)
		status_code = 1;
	return status_code;
}
