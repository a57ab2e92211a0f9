/*
 * text.c - which language people read.
 *
 * For:    commands, the board, papers.
 * Uses:   gettext; the catalogues stand beside the program in a build tree, else under the system's locale folder.
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
	if (n > 0) {
		exe[n] = 0;
		char *slash = strrchr(exe, '/');
		if (slash)
			*slash = 0;
		snprintf(folder, sizeof(folder), "%s/locale", exe);
		if (access(folder, R_OK) == 0)
			catalogue = folder;
	}
	bindtextdomain("stager", catalogue);
	bind_textdomain_codeset("stager", "UTF-8");
	textdomain("stager");
}

const char *stg_language(void)
{
	return chosen;
}

size_t stg_text_columns(const char *s)
{
	size_t columns = 0;
	mbstate_t state = { 0 };
	while (*s) {
		wchar_t c;
		size_t n = mbrtowc(&c, s, MB_CUR_MAX, &state);
		if (n == (size_t)-1 || n == (size_t)-2) {
			memset(&state, 0, sizeof(state));
			s++;
			columns++;
			continue;
		}
		int w = wcwidth(c);
		columns += w > 0 ? (size_t)w : 0;
		s += n;
	}
	return columns;
}
