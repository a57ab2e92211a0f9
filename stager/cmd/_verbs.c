/*
 * _verbs.c - reads a verb's words, asks the station, prints the answer.
 *
 * For:    the table-like commands of this folder.
 * Uses:   _table.c.
 * Called: from commands.
 * Thread: the command's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <stager/secret.h>
#include <stager/text.h>

#include "_verbs.h"

#define WORDS_MAX 24

struct word {
	char name[40];
	char kind;                /* '=' '#' '!' ',' ':' '<' '>' '^', '1' one word, '?' optional word, '.' all the rest */
	bool option;
	bool may_be_empty;        /* a secret that there may not be */
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
};

static int wrong(const struct reading *r, const char *what, const char *about)
{
	char shown[80];
	stg_printable(about, true, shown, sizeof(shown));
	fprintf(stderr, "stager %s%s%s: ", r->c->argv[0], r->verb->name[0] ? " " : "", r->verb->name);
	/* `what` holds one %s at most and comes from this file or its translation, which msgfmt has checked */
	char text[240];
	const char *mark = strstr(what, "%s");
	snprintf(text, sizeof(text), "%.*s%s%s", mark ? (int)(mark - what) : (int)strlen(what), what, mark ? shown : "", mark ? mark + 2 : "");
	fputs(text, stderr);
	fprintf(stderr, "\n%s %s --help\n", _("See: stager"), r->c->argv[0]);
	return 2;
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
		}
		if (*from == '^') {
			w->kind = '^';
			from++;
			len--;
			w->may_be_empty = from[len - 1] == '?';
			w->is_new = from[len - 1] == '+';
			len -= w->may_be_empty || w->is_new;
		} else if (len > 3 && strncmp(from + len - 3, "...", 3) == 0) {
			w->kind = '.';
			len -= 3;
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
	bool std = strcmp(path, "-") == 0;
	int fd;
	if (w->kind == '<')
		fd = std ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	else
		fd = std ? dup(STDOUT_FILENO) : open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, errno, "%s: %s", path, strerror(errno));
	if (r->n_fds == STG_ARRAY_LEN(r->fds))
		return stg_fail(err, STG_E_USAGE, 0, "too many files");
	r->fds[r->n_fds++] = fd;
	stg_json_put(r->in, w->name, path);
	/* which descriptor is which: words may come in any order and some be absent */
	json_array_append_new(list_of(r, "files"), json_string(w->name));
	return true;
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
		if (!*value || *end)
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
	return wrong(r, _("there is no option '--%s'"), text);
}

/* Lines of standard input: what a scanner types. */
static void add_lines(json_t *list)
{
	char *line = NULL;
	size_t room = 0;
	while (getline(&line, &room, stdin) > 0) {
		line[strcspn(line, "\r\n")] = 0;
		if (*line)
			json_array_append_new(list, json_string(line));
	}
	free(line);
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
			add_lines(list_of(r, w->name));
		else
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
		if (!w->option && strchr("1.#<>", w->kind) && !json_object_get(r->in, w->name))
			return wrong(r, _("%s is missing"), w->name);
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
		return stg_fail(err, STG_E_USAGE, 0, "%s: nothing was given", prompt);
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
	       (stg_bytes_equal(stg_secret_reveal(first), stg_secret_reveal(&second)) || stg_fail(err, STG_E_USAGE, 0, "%s: the two differ", name));
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
		if (!secret_ask(r->words[i].name, &s, &err)) {
			if (r->words[i].may_be_empty && err.code == STG_E_USAGE)
				continue;
			return stg_cmd_tell(r->c, &err);
		}
		if (r->words[i].is_new && !typed_again(r->words[i].name, &s, &err))
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
	if (stg_cmd_call(r->c, v->op, r->in, r->fds, r->n_fds, &ret, &status)) {
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

int verbs_run(struct stg_cmd_ctx *c, const struct verb *verbs)
{
	const char *first = c->argc > 1 ? c->argv[1] : "";
	const struct verb *v = NULL;
	int from = 2;
	for (const struct verb *one = verbs; one->op; one++)
		if (one->name[0] && strcmp(one->name, first) == 0)
			v = one;
	for (const struct verb *one = verbs; one->op && !v; one++) {
		if (!one->name[0]) {
			v = one;
			from = 1;
		}
	}
	if (!v) {
		char shown[64];
		stg_printable(first, true, shown, sizeof(shown));
		fprintf(stderr, *first ? _("stager %s: there is no '%s'; it knows:") : _("stager %s: one word is missing:"), c->argv[0], shown);
		for (const struct verb *one = verbs; one->op; one++)
			fprintf(stderr, " %s", one->name);
		fputc('\n', stderr);
		return 2;
	}
	struct reading r = { .c = c, .verb = v, .in = json_object() };
	parse_takes(&r);
	int status = read_words(&r, from);
	if (!status)
		status = ask_secrets(&r);
	if (!status)
		status = ask_and_print(&r);
	for (size_t i = 0; i < r.n_fds; i++)
		close(r.fds[i]);
	json_decref(r.in);
	return status;
}
