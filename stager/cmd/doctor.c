/*
 * doctor.c - is this station fit for work? One line for each thing that must be right, with one act where it is not.
 *
 * For:    the morning, and whoever is asked for help.
 * Uses:   operations that only read; the kernel's view of processes and folders.
 * Called: main.c.
 * Thread: the command's.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <stager/clock.h>
#include <stager/file.h>
#include <stager/message.h>
#include <stager/net.h>
#include <stager/text.h>

#include "_table.h"

#define DISK_LEAST (500ull << 20)
#define SOON_MS (30 * 86400000LL)
#define POOL_LEAST 8
#define OLD_RESULT_MS 86400000LL

enum level { OK, WARN, BAD };

struct look {
	struct stg_cmd_ctx *c;
	struct stg_caller *caller;
	json_t *lines;
	enum level worst;
};

static void tell(struct look *l, enum level level, const char *check, const char *text, const char *act)
{
	static const char *const names[] = { "ok", "warn", "bad" };
	json_t *line = json_object();
	if (level > l->worst)
		l->worst = level;
	stg_json_put(line, "check", check);
	stg_json_put(line, "level", names[level]);
	stg_json_put(line, "text", text);
	stg_json_put(line, "act", level == OK ? "" : act);
	json_array_append_new(l->lines, line);
}

static void tell_error(struct look *l, enum level level, const char *check, const struct stg_error *err)
{
	tell(l, level, check, err->id ? stg_id_sentence(err->id) : err->msg, err->id ? stg_id_act(err->id) : "");
}

/* What a process was called with, NUL between the words; "" when it is not usbmuxd. */
static bool usbmuxd_words(const char *pid, char *words, size_t size, size_t *ret_len)
{
	char path[300], name[32] = "";
	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	bool is = fgets(name, sizeof(name), f) && strcmp(name, "usbmuxd\n") == 0;
	fclose(f);
	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	if (!is || !(f = fopen(path, "re")))
		return false;
	*ret_len = fread(words, 1, size - 1, f);
	words[*ret_len] = 0;
	fclose(f);
	return *ret_len > 0;
}

/* 1: without preflight, 0: with it, -1: no such process is to be seen. */
static int usbmuxd_runs_without_preflight(void)
{
	DIR *d = opendir("/proc");
	const struct dirent *e;
	char words[2048];
	size_t len = 0;
	int found = -1;
	while (d && found < 0 && (e = readdir(d))) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9' || !usbmuxd_words(e->d_name, words, sizeof(words), &len))
			continue;
		found = 0;
		for (const char *w = words; w < words + len; w += strlen(w) + 1)
			found |= strcmp(w, "-p") == 0 || strcmp(w, "--no-preflight") == 0;
	}
	if (d)
		closedir(d);
	return found;
}

static void usbmuxd(struct look *l)
{
	const char *given = getenv("USBMUXD_SOCKET_ADDRESS");
	const char *path = given && strncasecmp(given, "unix:", 5) == 0 ? given + 5 : access("/run/usbmuxd", F_OK) == 0 ? "/run/usbmuxd" : "/var/run/usbmuxd";
	struct stg_error err = { 0 };
	if (given && strncasecmp(given, "unix:", 5) != 0) {
		tell(l, OK, "usbmuxd", _("a virtual bench over TCP; it is not asked"), "");
		return;
	}
	while (path[0] == '/' && path[1] == '/')
		path++;
	int fd = stg_unix_connect(path, &err);
	if (fd < 0) {
		tell(l, BAD, "usbmuxd", stg_id_sentence(STG_ID_NO_USBMUXD), stg_id_act(STG_ID_NO_USBMUXD));
		return;
	}
	close(fd);
	if (given)
		tell(l, OK, "usbmuxd", _("a virtual bench answers"), "");
	else if (usbmuxd_runs_without_preflight() == 1)
		tell(l, OK, "usbmuxd", _("answers, and leaves pairing to the station"), "");
	else
		tell(l, WARN, "usbmuxd", _("It answers, but it may pair devices by itself."), _("Install the drop-in (make install), then: systemctl restart usbmuxd"));
}

static void disk(struct look *l)
{
	struct statvfs v;
	char text[160];
	if (statvfs(l->caller->state_dir, &v) != 0)
		return;
	unsigned long long free_bytes = (unsigned long long)v.f_bavail * v.f_frsize;
	snprintf(text, sizeof(text), _("%llu MB free where the state is"), free_bytes >> 20);
	tell(l, free_bytes >= DISK_LEAST ? OK : BAD, "disk", text, _("Free some space: 500 MB are the least to work with."));
}

/* What ends within thirty days; nothing is said of what lasts longer. */
static bool ends(struct look *l, const char *what, const char *name, int64_t at_ms, const char *act)
{
	char text[300], until[32], shown[120];
	int64_t now = stg_wall_ms();
	if (!at_ms || at_ms > now + SOON_MS)
		return false;
	day_text(at_ms, until);
	stg_printable(name, true, shown, sizeof(shown));
	if (at_ms <= now)
		snprintf(text, sizeof(text), _("%s %s ended on %s."), what, shown, until);
	else
		snprintf(text, sizeof(text), _("%s %s ends on %s."), what, shown, until);
	tell(l, at_ms <= now ? BAD : WARN, "expiry", text, act);
	return true;
}

static json_t *ask(struct look *l, const char *op, const json_t *in, struct stg_error *err)
{
	json_t *ret = NULL;
	return stg_call(l->caller, op, in, NULL, 0, &ret, err) ? ret : NULL;
}

static bool organisations(struct look *l, bool rehearsal)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_json_free_at) json_t *list = ask(l, "org.list", NULL, &err);
	size_t i;
	json_t *one;
	bool said = false;
	if (!list || !json_array_size(list)) {
		tell(l, BAD, "organisation", _("There is no organisation yet."), "stager org create NAME");
		return false;
	}
	json_array_foreach(list, i, one) {
		char text[200], name[120];
		stg_printable(stg_json_str(one, "name"), true, name, sizeof(name));
		bool backed = stg_json_int(one, "backup_verified_ms", 0) != 0;
		if (backed)
			snprintf(text, sizeof(text), _("%s, backup verified"), name);
		else
			snprintf(text, sizeof(text), _("%s has no verified backup."), name);
		tell(l, backed ? OK : rehearsal ? WARN : BAD, "organisation", text, "stager org backup FILE --name NAME");
		said |= ends(l, _("The organisation"), name, stg_json_int(one, "first_expiry_ms", 0), _("Make a new one in time; supervised devices keep the old identity."));
	}
	return said;
}

static bool certificates(struct look *l)
{
	STG_AUTO(stg_json_free_at) json_t *in = json_pack("{s:I}", "expires_before_ms", (json_int_t)(stg_wall_ms() + SOON_MS));
	STG_AUTO(stg_json_free_at) json_t *list = ask(l, "ca.list", in, NULL);
	size_t i;
	json_t *one;
	int64_t first = 0, n = 0;
	json_array_foreach(list, i, one) {
		int64_t at = stg_json_int(one, "not_after_ms", 0);
		if (strcmp(stg_json_str(one, "status"), "installed") != 0 || !at)
			continue;
		first = !n++ || at < first ? at : first;
	}
	char text[80];
	snprintf(text, sizeof(text), "(%lld)", (long long)n);
	return n && ends(l, _("Certificates of devices"), text, first, _("Stage these devices again: stager ca list"));
}

static bool profiles(struct look *l)
{
	STG_AUTO(stg_json_free_at) json_t *list = ask(l, "profile.list", NULL, NULL);
	size_t i;
	json_t *one;
	bool said = false;
	json_array_foreach(list, i, one) {
		const char *name = stg_json_str(one, "name");
		struct stg_error err = { 0 };
		if (strcmp(stg_json_str(one, "where"), "built-in") == 0)
			continue;
		STG_AUTO(stg_json_free_at) json_t *in = json_pack("{s:s, s:s}", "profile", name, "lang", "en");
		STG_AUTO(stg_json_free_at) json_t *shown = ask(l, "profile.show", in, &err);
		if (!shown) {
			tell_error(l, BAD, "profile", &err);
			said = true;
			continue;
		}
		said |= ends(l, _("The profile"), name, stg_json_int(json_object_get(shown, "profile"), "expires_ms", 0), _("Get a new one from your MDM."));
	}
	return said;
}

static void of_status(struct look *l, const json_t *status)
{
	const json_t *clock = json_object_get(status, "clock"), *box = json_object_get(status, "outbox");
	const char *quality = stg_json_str(clock, "quality");
	char text[160];
	if (!stg_json_bool(clock, "ok", true))
		tell(l, BAD, "clock", stg_id_sentence((unsigned int)stg_json_int(clock, "id", 0)), stg_id_act((unsigned int)stg_json_int(clock, "id", 0)));
	else if (strcmp(quality, "unset") == 0)
		tell(l, WARN, "clock", _("Nobody has set this clock."), _("Compare it with a watch: date; timedatectl set-time ..."));
	else {
		snprintf(text, sizeof(text), _("plausible; set by: %s"), quality);
		tell(l, OK, "clock", text, "");
	}
	int64_t waiting = stg_json_int(box, "waiting", 0), oldest = stg_json_int(box, "oldest_ms", 0);
	snprintf(text, sizeof(text), _("%lld results wait"), (long long)waiting);
	bool old = waiting && oldest && stg_wall_ms() - oldest > OLD_RESULT_MS;
	tell(l, old ? WARN : OK, "outbox", text, _("They wait for more than a day: stager outbox list"));
}

static int run(struct stg_cmd_ctx *c)
{
	static const struct column columns[] = {
		{ "level", N_("level"), COLUMN_WORD }, { "check", N_("what"), COLUMN_WORD }, { "text", N_("detail"), COLUMN_TEXT },
		{ "act", N_("do"), COLUMN_TEXT }, { 0 },
	};
	struct stg_error err = { 0 };
	struct look l = { .c = c };
	int status = 0;
	if (c->argc > 1) {
		fprintf(stderr, _("stager doctor: it takes no words\n"));
		return 2;
	}
	l.caller = stg_cmd_caller(c, &status);
	if (!l.caller)
		return status;
	STG_AUTO(stg_json_free_at) json_t *now = ask(&l, "status", NULL, &err);
	if (!now)
		return stg_cmd_tell(c, &err);
	l.lines = json_array();
	bool rehearsal = strcmp(stg_json_str(now, "kind"), "rehearsal") == 0;
	tell(&l, OK, "state", l.caller->state_dir, "");
	tell(&l, OK, "station", l.caller->fd >= 0 ? _("running") : _("not running (stager run)"), "");
	usbmuxd(&l);
	disk(&l);
	of_status(&l, now);
	bool soon = organisations(&l, rehearsal);
	soon |= certificates(&l);
	soon |= profiles(&l);
	if (!soon)
		tell(&l, OK, "expiry", _("nothing within 30 days"), "");
	STG_AUTO(stg_json_free_at) json_t *store = ask(&l, "doctor.store", NULL, &err);
	char text[120];
	int64_t made = stg_json_int(store, "identities", 0);
	snprintf(text, sizeof(text), _("%lld made in advance"), (long long)made);
	tell(&l, made >= POOL_LEAST || l.caller->fd < 0 ? OK : WARN, "identities", text, _("Leave the station running a minute before plugging in."));
	if (stg_net_start(&err))
		tell(&l, OK, "libcurl", _("the OpenSSL flavour"), "");
	else
		tell_error(&l, BAD, "libcurl", &err);
	table_print(c, l.lines, columns, NULL);
	json_decref(l.lines);
	return l.worst == BAD ? 4 : 0;
}

const struct stg_cmd stg_cmd_doctor = {
	.name = "doctor",
	.usage = N_("stager doctor [--json]\n"
		    "    exit status 0: fit for work, warnings or not; 4: something is bad"),
	.about = N_("is this station fit for work? one line each, with one act"),
	.run = run,
};
