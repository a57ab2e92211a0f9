/*
 * _manual.c - the manual pages and the completion, from what the commands say of themselves: they cannot disagree.
 *
 * For:    `make docs`, `make install`.
 * Uses:   the commands found on disk.
 * Called: main.c, for `stager help --man [COMMAND]` and `stager help --completion`.
 * Thread: one.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <stager/registry.h>
#include <stager/text.h>

#include "_manual.h"

/* A line of text must begin with no control character of roff and hold no bare backslash or hyphen. */
static void roff(const char *text)
{
	bool at_start = true;
	for (const char *p = text; *p; p++) {
		if (at_start && (*p == '.' || *p == '\''))
			fputs("\\&", stdout);
		if (*p == '\\')
			fputs("\\e", stdout);
		else if (*p == '-')
			fputs("\\-", stdout);
		else
			putchar(*p);
		at_start = *p == '\n';
	}
	putchar('\n');
}

static void section(const char *name)
{
	printf(".SH %s\n", name);
}

static void rows(const char *const table[][2])
{
	for (size_t i = 0; table[i][0]; i++) {
		fputs(".TP\n.B ", stdout);
		roff(table[i][0]);
		roff(table[i][1]);
	}
}

static void exit_status(void)
{
	static const char *const codes[][2] = {
		{ "0", "all done" },
		{ "1", "at least one device failed" },
		{ "2", "the command was given wrongly" },
		{ "3", "a file that was given is wrong" },
		{ "4", "the station cannot work: no permission, no usbmuxd, disk full, state held by another station" },
		{ "5", "refused for safety" },
		{ "6", "none failed, some are on hold, waiting or missing" },
		{ NULL, NULL },
	};
	section("EXIT STATUS");
	rows(codes);
}

static void of_stager(void)
{
	static const char *const options[][2] = {
		{ "--state DIR", "the state folder" },
		{ "--as NAME", "who acts, for the audit log; else the login" },
		{ "--lang en|fr", "language; else the locale's" },
		{ "--json", "JSON Lines or one document, for programs" },
		{ "--quiet", "no more than what was asked for" },
		{ "--help", "how a command is used" },
		{ NULL, NULL },
	};
	static const char *const environment[][2] = {
		{ "STAGER_STATE", "the state folder" },
		{ "STAGER_NO_ERASE", "set: the station erases nothing" },
		{ "STAGER_LOG", "notice, info or debug" },
		{ "USBMUXD_SOCKET_ADDRESS", "a virtual bench; a state made with it is a rehearsal" },
		{ "NO_COLOR", "set: the board has no colours" },
		{ NULL, NULL },
	};
	section("SYNOPSIS");
	roff("stager [--state DIR] [--as NAME] [--lang en|fr] [--json] [--quiet] COMMAND ...");
	section("DESCRIPTION");
	roff("Stages phones and tablets on a bench without a network: each device is checked against the order, activated, supervised, given\n"
	     "its certificates and profiles, read back, recorded and labelled; the results reach the MDM later, exactly once.");
	section("COMMANDS");
	for (const struct stg_cmd *const *c = stg_cmds; *c; c++) {
		fputs(".TP\n", stdout);
		printf(".BR stager\\-%s (1)\n", (*c)->name);
		roff((*c)->about);
	}
	section("OPTIONS");
	rows(options);
	exit_status();
	section("ENVIRONMENT");
	rows(environment);
	section("FILES");
	roff("/var/lib/stager, else $XDG_STATE_HOME/stager: the state. /etc/stager/blueprints, profiles, connectors: of the site.\n"
	     "/run/stager/stager.sock: the running station.");
}

void manual_page(const struct stg_cmd *cmd)
{
	char title[64] = "STAGER";
	if (cmd)
		snprintf(title, sizeof(title), "STAGER-%s", cmd->name);
	for (char *p = title; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	printf(".TH %s 1 \"\" \"stager " STG_VERSION "\" \"stager\"\n", title);
	section("NAME");
	if (!cmd) {
		roff("stager - stages phones and tablets on a bench without a network");
		of_stager();
		return;
	}
	printf("stager\\-%s \\- ", cmd->name);
	roff(cmd->about);
	section("SYNOPSIS");
	puts(".nf");
	roff(cmd->usage);
	puts(".fi");
	exit_status();
	section("SEE ALSO");
	puts(".BR stager (1)");
}

/* Words of the usage that a person types as they are: verbs and options. */
static void words(const struct stg_cmd *cmd)
{
	char line[128];
	size_t skip = (size_t)snprintf(line, sizeof(line), "stager %s ", cmd->name);
	for (const char *p = cmd->usage; *p;) {
		size_t len = strcspn(p, "\n");
		const char *q = p, *end = p + len;
		bool verb = strncmp(p, line, skip) == 0;
		if (verb)
			q = p + skip;
		while (q < end) {
			size_t n = strspn(q, "abcdefghijklmnopqrstuvwxyz-_");
			bool whole = q + n >= end || strchr(" ]|)", q[n]);
			if (n && whole && (verb || strncmp(q, "--", 2) == 0))
				printf(" %.*s", (int)n, q);
			/* after the first word only "| verb" and options are typed as they stand */
			verb = false;
			q += n + strcspn(q + n, " [(");
			q += strspn(q, " [(");
			if (q < end && *q == '|' && q[1] == ' ') {
				q += 2;
				verb = true;
			}
		}
		p += len + (p[len] == '\n');
	}
}

void manual_completion(void)
{
	for (const struct stg_cmd *const *c = stg_cmds; *c; c++) {
		fputs((*c)->name, stdout);
		words(*c);
		putchar('\n');
	}
}
