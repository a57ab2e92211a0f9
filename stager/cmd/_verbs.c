/*
 * _verbs.c - reads a verb's words, asks the station, prints the answer.
 *
 * For:    the table-like commands of this folder.
 * Uses:   _table.c.
 * Called: from commands.
 * Thread: the command's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <stager/secret.h>
#include <stager/text.h>

#include "_io.h"
#include "_verbs.h"
#include "_words.h"

#define WORDS_MAX 24

struct word {
	char name[40];
	char kind;                /* '=' '#' '!' ',' ':' '<' '>' '^', '1' one word, '?' optional word, '.' all the rest */
	bool option;
	bool required;            /* an option that must be given */
	bool may_be_empty;        /* a secret that there may not be, a list without words */
	bool is_new;              /* a secret that is chosen now: typed twice on a terminal */
};

struct reading {
	struct stg_cmd_ctx *c;
	const struct verb *verb;
	struct word words[WORDS_MAX];
	size_t n_words;
	json_t *in;
	int fds[8];
	size_t n_fds;
	struct output outputs[2];  /* their descriptors are also in fds */
	size_t n_outputs;
};

static int wrong2(const struct reading *r, const char *what, const char *first, const char *second)
{
	/* `what` holds two %s at most and comes from this file or its translation, which msgfmt has checked */
	const char *about[] = { first, second };
	fprintf(stderr, "stager %s%s%s: ", r->c->argv[0], r->verb->name[0] ? " " : "", r->verb->name);
	for (size_t i = 0; *what;) {
		const char *mark = i < STG_ARRAY_LEN(about) ? strstr(what, "%s") : NULL;
		char shown[80];
		fprintf(stderr, "%.*s", mark ? (int)(mark - what) : (int)strlen(what), what);
		if (!mark)
			break;
		stg_printable(about[i++], true, shown, sizeof(shown));
		fputs(shown, stderr);
		what = mark + 2;
	}
	fprintf(stderr, "\n%s %s --help\n", _("See: stager"), r->c->argv[0]);
	return 2;
}

static int wrong(const struct reading *r, const char *what, const char *about)
{
	return wrong2(r, what, about, "");
}

static void parse_takes(struct reading *r)
{
	const char *p = r->verb->takes ? r->verb->takes : "";
	while (*p && r->n_words < WORDS_MAX) {
		struct word *w = &r->words[r->n_words++];
		size_t n = strcspn(p, " ");
		const char *from = p;
		size_t len = n;
		w->option = strncmp(p, "--", 2) == 0;
		if (w->option) {
			from += 2;
			len -= 2;
			w->required = *from == '*';
			from += w->required;
			len -= w->required;
		}
		if (*from == '^') {
			w->kind = '^';
			from++;
			len--;
			w->may_be_empty = from[len - 1] == '?';
			w->is_new = from[len - 1] == '+';
			len -= w->may_be_empty || w->is_new;
		} else if (memmem(from, len, "...", 3)) {
			w->kind = '.';
			w->may_be_empty = from[len - 1] == '?';
			len -= w->may_be_empty ? 4 : 3;
		} else if (strchr("=#!,:<>?", from[len - 1])) {
			w->kind = from[--len];
		} else {
			w->kind = '1';
		}
		snprintf(w->name, sizeof(w->name), "%.*s", (int)len, from);
		p += n;
		while (*p == ' ')
			p++;
	}
}

static json_t *list_of(struct reading *r, const char *name)
{
	json_t *list = json_object_get(r->in, name);
	if (!list) {
		list = json_array();
		json_object_set_new(r->in, name, list);
	}
	return list;
}

static bool add_file(struct reading *r, const struct word *w, const char *path, struct stg_error *err)
{
	if (r->n_fds == STG_ARRAY_LEN(r->fds) || (w->kind == '>' && r->n_outputs == STG_ARRAY_LEN(r->outputs)))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_FILES_MANY, 0, "%s", path);
	int fd;
	if (w->kind == '<') {
		fd = input_open(path, err);
		if (fd < 0)
			return false;
	} else {
		if (!output_open(&r->outputs[r->n_outputs], path, err))
			return false;
		fd = r->outputs[r->n_outputs++].fd;
	}
	r->fds[r->n_fds++] = fd;
	stg_json_put(r->in, w->name, path);
	/* which descriptor is which: words may come in any order and some be absent */
	json_array_append_new(list_of(r, "files"), json_string(w->name));
	return true;
}

/* What was written is kept only when all went well: a refused question leaves the file as it was. */
static bool close_files(struct reading *r, bool keep, struct stg_error *err)
{
	bool ok = true;
	for (size_t i = 0; i < r->n_outputs; i++) {
		int fd = r->outputs[i].fd;
		for (size_t k = 0; k < r->n_fds; k++)
			if (r->fds[k] == fd)
				r->fds[k] = -1;
		ok = output_close(&r->outputs[i], keep && ok, err) && ok;
	}
	for (size_t i = 0; i < r->n_fds; i++)
		stg_close_at(&r->fds[i]);
	r->n_fds = r->n_outputs = 0;
	return ok;
}

static void add_split(json_t *list, const char *text, char by)
{
	while (*text) {
		const char *end = strchr(text, by);
		size_t n = end ? (size_t)(end - text) : strlen(text);
		if (n)
			json_array_append_new(list, json_stringn(text, n));
		text += n + (end ? 1 : 0);
	}
}

static int put_value(struct reading *r, const struct word *w, const char *value)
{
	struct stg_error err = { 0 };
	char *end;
	switch (w->kind) {
	case '#': {
		long long n = strtoll(value, &end, 10);
		/* counts and ids: nothing here is below zero */
		if (!*value || *end || n < 0)
			return wrong(r, _("'%s' is not a whole number"), value);
		stg_json_put_int(r->in, w->name, n);
		return 0;
	}
	case ',':
		add_split(list_of(r, w->name), value, ',');
		return 0;
	case ':': {
		const char *eq = strchr(value, '=');
		char key[64];
		if (!eq || eq == value || (size_t)(eq - value) >= sizeof(key))
			return wrong(r, _("'%s' is not KEY=VALUE"), value);
		snprintf(key, sizeof(key), "%.*s", (int)(eq - value), value);
		json_t *object = json_object_get(r->in, w->name);
		if (!object) {
			object = json_object();
			json_object_set_new(r->in, w->name, object);
		}
		json_object_set_new(object, key, json_string(eq + 1));
		return 0;
	}
	case '<':
	case '>':
		return add_file(r, w, value, &err) ? 0 : stg_cmd_tell(r->c, &err);
	default:
		json_object_set_new(r->in, w->name, json_string(value));
		return 0;
	}
}

static int put_option(struct reading *r, int *at)
{
	const char *text = r->c->argv[*at] + 2, *eq = strchr(text, '=');
	size_t n = eq ? (size_t)(eq - text) : strlen(text);
	for (size_t i = 0; i < r->n_words; i++) {
		const struct word *w = &r->words[i];
		char key[40] = "";
		size_t k;
		for (k = 0; w->name[k]; k++)
			key[k] = w->name[k] == '_' ? '-' : w->name[k];
		if (!w->option || k != n || strncmp(key, text, n) != 0)
			continue;
		if (w->kind == '!') {
			stg_json_put_bool(r->in, w->name, true);
			return 0;
		}
		if (!eq && *at + 1 >= r->c->argc)
			return wrong(r, _("--%s needs a value"), text);
		return put_value(r, w, eq ? eq + 1 : r->c->argv[++*at]);
	}
	char typed[40];
	const char *names[WORDS_MAX] = { 0 };
	snprintf(typed, sizeof(typed), "%.*s", (int)n, text);
	size_t n_names = 0;
	for (size_t i = 0; i < r->n_words; i++)
		if (r->words[i].option)
			names[n_names++] = r->words[i].name;
	const char *guess = word_nearest(typed, names, n_names);
	return guess ? wrong2(r, _("there is no option '--%s'; did you mean '--%s'?"), typed, guess) : wrong(r, _("there is no option '--%s'"), typed);
}

static int put_word(struct reading *r, size_t *next, const char *value)
{
	while (*next < r->n_words && (r->words[*next].option || r->words[*next].kind == '^'))
		(*next)++;
	if (*next >= r->n_words)
		return wrong(r, _("'%s' is one word too many"), value);
	const struct word *w = &r->words[*next];
	if (w->kind == '.') {
		if (strcmp(value, "-") == 0)
			return input_lines(list_of(r, w->name)) ? 0 : wrong(r, _("'-' takes at most 10000 lines of at most 250 bytes of text"), "");
		json_array_append_new(list_of(r, w->name), json_string(value));
		return 0;
	}
	(*next)++;
	return put_value(r, w, value);
}

static int read_words(struct reading *r, int from)
{
	size_t next = 0;
	bool verbatim = false;
	for (int i = from; i < r->c->argc; i++) {
		const char *a = r->c->argv[i];
		int status;
		if (!verbatim && strcmp(a, "--") == 0) {
			verbatim = true;
			continue;
		}
		status = !verbatim && strncmp(a, "--", 2) == 0 ? put_option(r, &i) : put_word(r, &next, a);
		if (status)
			return status;
	}
	for (size_t i = 0; i < r->n_words; i++) {
		const struct word *w = &r->words[i];
		if (!w->option && !w->may_be_empty && strchr("1.#<>", w->kind) && !json_object_get(r->in, w->name))
			return wrong(r, _("%s is missing"), w->name);
		if (w->required && !json_object_get(r->in, w->name))
			return wrong(r, _("--%s is missing"), w->name);
	}
	return 0;
}

bool secret_ask(const char *prompt, struct stg_secret *ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(65536);
	struct termios before, quiet;
	bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
	if (terminal) {
		fprintf(stderr, "%s: ", prompt);
		fflush(stderr);
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	/* byte by byte: what follows on standard input belongs to the next question */
	bool ok = true;
	for (;;) {
		char c;
		ssize_t n = read(STDIN_FILENO, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || c == '\n')
			break;
		if (!stg_buf_add(&text, &c, 1, err)) {
			ok = false;
			break;
		}
	}
	if (terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		fputc('\n', stderr);
	}
	if (ok && text.len && text.data[text.len - 1] == '\r')
		text.len--;
	if (ok && !text.len)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_TYPED_NOTHING, 0, "%s", prompt);
	return ok && stg_secret_set(ret, stg_buf_view(&text), err);
}

/* A mistyped new secret would be found out when it is too late. */
static bool typed_again(const char *name, const struct stg_secret *first, struct stg_error *err)
{
	STG_AUTO(stg_secret_clear) struct stg_secret second = { 0 };
	char prompt[80];
	if (!isatty(STDIN_FILENO))
		return true;
	snprintf(prompt, sizeof(prompt), _("%s, once more"), name);
	return secret_ask(prompt, &second, err) &&
	       (stg_bytes_equal(stg_secret_reveal(first), stg_secret_reveal(&second)) || stg_fail_id(err, STG_E_USAGE, STG_ID_TYPED_DIFFER, 0, "%s", name));
}

/* What stands before the cursor when a secret is asked for. */
static const char *prompt_of(const struct word *w)
{
	static const char *const prompts[][2] = {
		{ "pin", N_("PIN") }, { "second_pin", N_("PIN of the second person") }, { "value", N_("Value") },
		{ "password", N_("Password of the file (empty: none)") }, { "secret", N_("Secret or password (empty: none)") },
		{ "token", N_("Token (empty: none)") }, { "token_pin", N_("PIN of the token (empty: none)") },
		{ "key_passphrase", N_("Passphrase of the root's key (empty: none)") },
	};
	if (strcmp(w->name, "passphrase") == 0)
		return w->is_new ? _("New passphrase, at least 12 characters") : _("Passphrase");
	for (size_t i = 0; i < STG_ARRAY_LEN(prompts); i++)
		if (strcmp(prompts[i][0], w->name) == 0)
			return _(prompts[i][1]);
	return w->name;
}

static int ask_secrets(struct reading *r)
{
	for (size_t i = 0; i < r->n_words; i++) {
		STG_AUTO(stg_secret_clear) struct stg_secret s = { 0 };
		struct stg_error err = { 0 };
		if (r->words[i].kind != '^')
			continue;
		/* a PIN of a second person is asked for only when one was named */
		if (strcmp(r->words[i].name, "second_pin") == 0 && !json_object_get(r->in, "second"))
			continue;
		/* and a token's, or a key's passphrase, only with a token or a key */
		if ((strcmp(r->words[i].name, "token_pin") == 0 && !json_object_get(r->in, "pkcs11")) ||
		    (strcmp(r->words[i].name, "key_passphrase") == 0 && !json_object_get(r->in, "root_key")))
			continue;
		if (!secret_ask(prompt_of(&r->words[i]), &s, &err)) {
			if (r->words[i].may_be_empty && err.code == STG_E_USAGE)
				continue;
			return stg_cmd_tell(r->c, &err);
		}
		if (r->words[i].is_new && !typed_again(prompt_of(&r->words[i]), &s, &err))
			return stg_cmd_tell(r->c, &err);
		struct stg_bytes b = stg_secret_reveal(&s);
		json_object_set_new(r->in, r->words[i].name, json_stringn((const char *)b.data, b.len));
	}
	return 0;
}

static int ask_and_print(struct reading *r)
{
	const struct verb *v = r->verb;
	json_t *ret = NULL;
	int status = 0;
	/* the station may speak another language than this person */
	if (v->takes && strstr(v->takes, "--lang="))
		stg_json_put(r->in, "lang", stg_language());
	struct stg_error err = { 0 };
	bool ok = stg_cmd_call(r->c, v->op, r->in, r->fds, r->n_fds, &ret, &status);
	if (!close_files(r, ok, &err) && ok) {
		status = stg_cmd_tell(r->c, &err);
		ok = false;
	}
	if (ok) {
		const json_t *rows = v->list ? json_object_get(ret, v->list) : ret;
		if (v->columns && json_is_array(rows))
			table_print(r->c, rows, v->columns, NULL);
		else if (v->say && !r->c->json && !r->c->quiet)
			v->say(r->c, r->in, ret);
		else if (ret && json_is_array(ret))
			table_print(r->c, ret, (const struct column[]){ { 0 } }, NULL);
		else if (ret && (r->c->json || !v->say))
			document_print(r->c, ret);
		else if (r->c->json)
			puts("{\"v\":1}");
		status = v->status ? v->status(ret) : 0;
	}
	json_decref(ret);
	return status;
}

static bool has_words(const struct verb *v)
{
	return v->takes && *v->takes && strncmp(v->takes, "--", 2) != 0 && *v->takes != '^';
}

/* A word that is no verb. The nearest one is guessed; a command with one verb only has none to guess. */
static int no_such_verb(const struct stg_cmd_ctx *c, const struct verb *verbs, const char *typed)
{
	const char *names[WORDS_MAX];
	size_t n = 0;
	char shown[64];
	stg_printable(typed, true, shown, sizeof(shown));
	for (const struct verb *one = verbs; one->op && n < WORDS_MAX; one++)
		if (one->name[0])
			names[n++] = one->name;
	const char *guess = *typed ? word_nearest(typed, names, n) : NULL;
	if (guess) {
		fprintf(stderr, _("stager %s: there is no '%s'. Did you mean '%s'?\n"), c->argv[0], shown, guess);
		return 2;
	}
	fprintf(stderr, *typed ? _("stager %s: there is no '%s'; it knows:") : _("stager %s: one word is missing:"), c->argv[0], shown);
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, " %s", names[i]);
	fputc('\n', stderr);
	return 2;
}

int verbs_run(struct stg_cmd_ctx *c, const struct verb *verbs)
{
	const char *first = c->argc > 1 ? c->argv[1] : "";
	const struct verb *v = NULL, *bare = NULL;
	int from = 2;
	/* "root create" is one verb of two words */
	char two[64] = "";
	if (c->argc > 2 && snprintf(two, sizeof(two), "%s %s", first, c->argv[2]) >= (int)sizeof(two))
		two[0] = 0;
	for (const struct verb *one = verbs; one->op; one++) {
		if (*two && strcmp(one->name, two) == 0)
			v = one, from = 3;
		else if (from == 2 && one->name[0] && strcmp(one->name, first) == 0)
			v = one;
		else if (!one->name[0])
			bare = one;
	}
	/* a word that can be nothing but a verb is a mistyped one, not one too many */
	bool has_verbs = verbs[0].op && (verbs[0].name[0] || verbs[1].op);
	if (!v && bare && (!has_verbs || !*first || strncmp(first, "--", 2) == 0 || has_words(bare))) {
		v = bare;
		from = 1;
	}
	if (!v)
		return no_such_verb(c, verbs, strncmp(first, "--", 2) == 0 ? "" : first);
	struct reading r = { .c = c, .verb = v, .in = json_object() };
	parse_takes(&r);
	int status = read_words(&r, from);
	if (!status)
		status = ask_secrets(&r);
	if (!status)
		status = ask_and_print(&r);
	(void)close_files(&r, false, NULL);
	json_decref(r.in);
	return status;
}
