/*
 * _show.c - a profile in plain words, beside another one, beside a device.
 *
 * For:    profile.c.
 * Uses:   op profile.show.
 * Called: profile.c.
 * Thread: the command's.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stager/text.h>

#include "_io.h"
#include "_table.h"
#include "_words.h"

#include "_show.h"

bool profile_given(struct stg_cmd_ctx *c, const char *word, const char *file, const char *name, json_t *in, int *fds, size_t *n_fds, int *ret_status)
{
	struct stg_error err = { 0 };
	/* what is no file and could not be one is a name */
	if (strcmp(word, "-") != 0 && !strchr(word, '/') && access(word, F_OK) != 0 && !strchr(word, '.')) {
		stg_json_put(in, name, word);
		return true;
	}
	int fd = input_open(word, &err);
	if (fd < 0) {
		*ret_status = stg_cmd_tell(c, &err);
		return false;
	}
	fds[(*n_fds)++] = fd;
	stg_json_put(in, file, word);
	if (!json_object_get(in, "files"))
		stg_json_put_new(in, "files", json_array());
	json_array_append_new(json_object_get(in, "files"), json_string(file));
	return true;
}

static void say_changes(const json_t *diff)
{
	const json_t *list = json_object_get(diff, "changes");
	char clean[400];
	stg_printable(stg_json_str(diff, "file"), true, clean, sizeof(clean));
	printf(json_array_size(list) ? _("Compared with %s:\n") : _("Compared with %s nothing is different.\n"), clean);
	for (size_t i = 0; i < json_array_size(list); i++)
		printf("  - %s\n", stg_json_str(json_array_get(list, i), "text"));
}

static void say_device(const json_t *d)
{
	const char *how = stg_json_str(d, "standing"), *serial = stg_json_str(d, "serial");
	const json_t *others = json_object_get(d, "others");
	char day[32];
	day_text(stg_json_int(d, "read_ms", 0), day);
	if (strcmp(how, "unread") == 0) {
		printf(_("The profiles on %s were never read: stager census --read\n"), serial);
		return;
	}
	if (strcmp(how, "same") == 0)
		printf(_("On %s (read on %s): exactly this one is installed.\n"), serial, day);
	else if (strcmp(how, "other") == 0)
		printf(_("On %s (read on %s): another edition of it is installed, this one would replace it.\n"), serial, day);
	else
		printf(_("On %s (read on %s): not installed, it would be added.\n"), serial, day);
	for (size_t i = 0; i < json_array_size(others); i++) {
		const json_t *one = json_array_get(others, i);
		printf(i ? "  - %s (%s)\n" : _("Besides it there are:\n  - %s (%s)\n"), stg_json_str(one, "name"), stg_json_str(one, "identifier"));
	}
}

static void say(const json_t *ret)
{
	const json_t *words = json_object_get(ret, "words");
	printf("%s: %s\n", stg_json_str(ret, "file"), stg_json_str(json_object_get(ret, "profile"), "name"));
	for (size_t i = 0; i < json_array_size(words); i++)
		printf("  - %s\n", json_string_value(json_array_get(words, i)));
	if (json_object_get(ret, "diff"))
		say_changes(json_object_get(ret, "diff"));
	if (json_object_get(ret, "device"))
		say_device(json_object_get(ret, "device"));
}

int show_run(struct stg_cmd_ctx *c)
{
	static const struct option options[] = { { "diff", required_argument, NULL, 'd' }, { "device", required_argument, NULL, 's' },
						 { "lang", required_argument, NULL, 'l' }, { 0 } };
	STG_AUTO(stg_json_free_at) json_t *in = json_object(), *ret = NULL;
	const char *diff = NULL;
	int fds[2] = { -1, -1 }, opt, status = 0;
	size_t n = 0;
	optind = 2;     /* behind "profile show" */
	stg_json_put(in, "lang", stg_language());
	while ((opt = word_option(c, options)) != -1) {
		if (opt == '?')
			return 2;
		if (opt == 'd')
			diff = optarg;
		else
			stg_json_put(in, opt == 's' ? "device" : "lang", optarg);
	}
	if (optind >= c->argc) {
		fprintf(stderr, "%s\n%s %s --help\n", _("stager profile show: a file or a name is missing"), _("See: stager"), "profile");
		return 2;
	}
	const char *which = c->argv[optind++];
	if (!words_end(c))
		return 2;
	bool ok = profile_given(c, which, "file", "profile", in, fds, &n, &status) &&
		  (!diff || profile_given(c, diff, "diff", "diff_profile", in, fds, &n, &status)) && stg_cmd_call(c, "profile.show", in, fds, n, &ret, &status);
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	if (!ok)
		return status;
	if (c->json)
		document_print(c, ret);
	else
		say(ret);
	return 0;
}
