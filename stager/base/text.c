/*
 * text.c - which language people read.
 *
 * For:    commands, the board, papers.
 * Uses:   gettext; the catalogues stand beside the program in a build tree, else in share/locale beside its bin, else in the system's.
 * Called: main(), once.
 * Thread: call before threads start.
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include <stager/bytes.h>
#include <stager/text.h>

static char chosen[8] = "en";

void stg_language_set(const char *lang)
{
	const char *from = lang;
	if (!from) {
		from = getenv("LANGUAGE");
		if (!from || !*from)
			from = getenv("LC_ALL");
		if (!from || !*from)
			from = getenv("LC_MESSAGES");
		if (!from || !*from)
			from = getenv("LANG");
	}
	stg_copy(chosen, sizeof(chosen), from && strncmp(from, "fr", 2) == 0 ? "fr" : "en");
	/* gettext translates nothing in the C locale, whatever LANGUAGE says */
	if (!setlocale(LC_ALL, "") || strcmp(setlocale(LC_MESSAGES, NULL), "C") == 0 ||
	    strcmp(setlocale(LC_CTYPE, NULL), "C") == 0)
		setlocale(LC_ALL, "C.UTF-8");
	setlocale(LC_NUMERIC, "C");
	setenv("LANGUAGE", chosen, 1);

	char exe[3800], folder[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	const char *catalogue = "/usr/share/locale";
	/* beside the program in a build tree; PREFIX/share beside PREFIX/bin when it is installed */
	static const char *const from_program[] = { "locale", "../share/locale" };
	if (n > 0) {
		exe[n] = 0;
		char *slash = strrchr(exe, '/');
		if (slash)
			*slash = 0;
		for (size_t i = 0; i < STG_ARRAY_LEN(from_program); i++) {
			char file[4200];
			snprintf(folder, sizeof(folder), "%s/%s", exe, from_program[i]);
			snprintf(file, sizeof(file), "%s/fr/LC_MESSAGES/stager.mo", folder);
			if (access(file, R_OK) == 0) {
				catalogue = folder;
				break;
			}
		}
	}
	bindtextdomain("stager", catalogue);
	bind_textdomain_codeset("stager", "UTF-8");
	textdomain("stager");
}

const char *stg_language(void)
{
	return chosen;
}

/* Goes along `s` while it fits into `most` columns; the bytes gone along, and their columns. */
static size_t go_along(const char *s, size_t most, size_t *ret_columns)
{
	const char *p = s;
	size_t columns = 0;
	mbstate_t state = { 0 };
	while (*p) {
		wchar_t c;
		size_t n = mbrtowc(&c, p, MB_CUR_MAX, &state);
		int w = 1;
		if (n == (size_t)-1 || n == (size_t)-2) {
			memset(&state, 0, sizeof(state));
			n = 1;
		} else {
			w = wcwidth(c);
		}
		if (w > 0 && columns + (size_t)w > most)
			break;
		columns += w > 0 ? (size_t)w : 0;
		p += n;
	}
	*ret_columns = columns;
	return (size_t)(p - s);
}

size_t stg_text_columns(const char *s)
{
	size_t columns;
	go_along(s, (size_t)-1, &columns);
	return columns;
}

size_t stg_text_fits(const char *s, size_t columns)
{
	size_t taken;
	return go_along(s, columns, &taken);
}
