/*
 * restore.c - a full restore, or an update, of one device by idevicerestore.
 *
 * For:    phones nobody can open, and systems that are too old.
 * Uses:   ops "devices", "port.list", "restore.begin", "restore.end"; the program idevicerestore, when it is installed.
 * Called: main.c.
 * Thread: the command's.
 * Facts:  idevicerestore 1.0.0 (Debian 12), src/idevicerestore.c: -i takes the ECID, -e erases, -y asks nothing, -P prints
 *         "progress: STEP PART" with seven steps; what went wrong is the last line "ERROR: ..." on standard error; the exit status is 0
 *         when all went well. Later versions print the same and end with "RESTORE FAILED" otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stager/clock.h>
#include <stager/file.h>
#include <stager/images.h>
#include <stager/text.h>

#include "_child.h"
#include "_recovery.h"
#include "_table.h"
#include "_words.h"

#define PROGRAM "idevicerestore"
#define STEPS 7
#define SILENCE_MS (30 * 60000)     /* verifying a large image on an old device prints nothing for many minutes */
#define LINE_MAX_BYTES 600

extern char **environ;

struct running {
	bool told;                    /* a person watches */
	int percent, said;
	char line[LINE_MAX_BYTES], error[LINE_MAX_BYTES];
	size_t len;
};

/* ---- what the program says ---- */

/* What the words mean to a person. Its exit status says only that it failed. */
static const struct meaning {
	const char *words;
	enum stg_id id;
	bool line;
} meanings[] = {
	{ "isn't eligible", STG_ID_RESTORE_NOT_SIGNED, false }, { "not eligible", STG_ID_RESTORE_NOT_SIGNED, false },
	{ "declined to authorize", STG_ID_RESTORE_NOT_SIGNED, false }, { "TSS request failed", STG_ID_RESTORE_NO_ANSWER, true },
	{ "Unable to send TSS", STG_ID_RESTORE_NO_ANSWER, true }, { "SHSH", STG_ID_RESTORE_NO_ANSWER, true }, { "without TSS", STG_ID_RESTORE_NO_ANSWER, true },
	{ "TSS record", STG_ID_RESTORE_NO_ANSWER, true }, { "corrupt", STG_ID_RESTORE_IMAGE, false }, { "IPSW", STG_ID_RESTORE_IMAGE, false },
	{ "Unable to extract", STG_ID_RESTORE_IMAGE, false }, { "Disk Failure", STG_ID_RESTORE_HARDWARE, false },
	{ "Defective Unit", STG_ID_RESTORE_HARDWARE, false }, { "FDR data", STG_ID_RESTORE_HARDWARE, false },
	{ "discover device mode", STG_ID_RESTORE_CABLE, false }, { "did not disconnect", STG_ID_RESTORE_CABLE, false },
	{ "did not reconnect", STG_ID_RESTORE_CABLE, false }, { "enter restore mode", STG_ID_RESTORE_CABLE, false }, { "into recovery mode", STG_ID_RESTORE_CABLE, false },
	{ "into restore mode", STG_ID_RESTORE_CABLE, false },
};

/* NULL: words that say nothing to act on. */
static const struct meaning *meaning_of(const char *said)
{
	for (size_t i = 0; i < STG_ARRAY_LEN(meanings); i++)
		if (strcasestr(said, meanings[i].words))
			return &meanings[i];
	return NULL;
}

static void heard_line(struct running *r)
{
	unsigned int step;
	double part;
	char shown[LINE_MAX_BYTES];
	stg_printable(r->line, true, shown, sizeof(shown));
	if (sscanf(r->line, "progress: %u %lf", &step, &part) == 2 && step < STEPS && part >= 0 && part <= 1) {
		int percent = (int)(((double)step + part) * 100 / STEPS);
		r->percent = percent > r->percent ? percent : r->percent;
		if (r->told && r->percent != r->said)
			fprintf(stderr, "\r%3d %%", r->said = r->percent);
		return;
	}
	/* the first one that says something is the cause; those after it follow from it */
	if ((strncasecmp(shown, "error", 5) == 0 || strncmp(shown, "Status: ", 8) == 0) && !meaning_of(r->error))
		stg_copy(r->error, sizeof(r->error), shown);
}

static void heard(struct running *r, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (text[i] != '\n' && text[i] != '\r') {
			/* a longer line is cut: what it says stands at its beginning */
			if (r->len + 1 < sizeof(r->line))
				r->line[r->len++] = text[i];
			continue;
		}
		r->line[r->len] = 0;
		heard_line(r);
		r->len = 0;
	}
}

static void judge(const struct running *r, int status, json_t *in)
{
	const struct meaning *m = meaning_of(r->error);
	stg_json_put_bool(in, "ok", false);
	stg_json_put_int(in, "id", m ? m->id : STG_ID_RESTORE_FAILED);
	stg_json_put(in, "code", m && m->line ? "waiting" : "refused");
	stg_json_put(in, "msg", r->error[0] ? r->error : "it said nothing");
	stg_json_put_int(in, "status", status);
}

/* ---- the program ---- */

/* Reads to its end, or until it has been silent for too long. */
static bool listen_to(int fd, struct running *r)
{
	char text[4096];
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int ready = poll(&p, 1, SILENCE_MS);
		if (ready < 0 && errno == EINTR)
			continue;
		ssize_t n = ready > 0 ? read(fd, text, sizeof(text)) : -1;
		if (n > 0)
			heard(r, text, (size_t)n);
		else
			return n == 0;
	}
}

/* In a process group of its own: a Ctrl-C at the terminal must not end a restore half way. STG_ID_RESTORE_PROGRAM: not installed. */
static bool run_program(char *const argv[], struct running *r, int *ret_status, struct stg_error *err)
{
	int out[2];
	pid_t pid = 0;
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	if (pipe2(out, O_CLOEXEC) != 0)
		return stg_fail(err, STG_E_IO, errno, "pipe: %s", strerror(errno));
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, out[1], STDERR_FILENO);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setpgroup(&attr, 0);
	int failed = posix_spawnp(&pid, argv[0], &files, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	close(out[1]);
	bool ended = !failed && listen_to(out[0], r);
	close(out[0]);
	if (failed)
		return stg_fail_id(err, STG_E_STATION, STG_ID_RESTORE_PROGRAM, failed, "%s: %s", argv[0], strerror(failed));
	if (!ended) {
		kill(-pid, SIGKILL);
		stg_copy(r->error, sizeof(r->error), "ERROR: silent for half an hour");
	}
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
	return true;
}

static bool is_installed(void)
{
	char path[4096];
	const char *p = getenv("PATH");
	for (p = p ? p : "/usr/bin:/bin"; *p; p += strcspn(p, ":"), p += *p == ':') {
		snprintf(path, sizeof(path), "%.*s/" PROGRAM, (int)strcspn(p, ":"), p);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

static int restore(struct stg_cmd_ctx *c, const json_t *began)
{
	const char *state = c->caller->state_dir, *unit = stg_json_str(began, "unit");
	bool update = stg_json_bool(began, "update", false), failed;
	char cache[4096], ecid[40];
	struct running r = { .told = isatty(STDERR_FILENO) && !c->quiet, .said = -1 };
	struct stg_error err = { 0 };
	int status = 0, ignored = 0;
	int64_t since = stg_boot_ms();
	json_t *in = json_pack("{s:I, s:s}", "job", (json_int_t)stg_json_int(began, "job", 0), "unit", unit), *ret = NULL;
	snprintf(cache, sizeof(cache), "%s/images/cache", state);
	snprintf(ecid, sizeof(ecid), "0x%llx", strtoull(unit, NULL, 10));
	const char *argv[12] = { PROGRAM, "-i", ecid, "-y", "-P", "-C", cache };
	int n = 7;
	if (!update)
		argv[n++] = "-e";
	argv[n++] = stg_json_str(began, "path");
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before[3];
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	for (size_t i = 0; i < STG_ARRAY_LEN(signals); i++)
		sigaction(signals[i], &ignore, &before[i]);
	bool ran = stg_image_check(state, json_object_get(began, "image"), &err) && stg_folder_make(cache, 0700, &err) &&
		   run_program((char *const *)(uintptr_t)argv, &r, &status, &err);
	for (size_t i = 0; i < STG_ARRAY_LEN(signals); i++)
		sigaction(signals[i], &before[i], NULL);
	if (r.told && r.said >= 0)
		fputc('\n', stderr);
	failed = !ran || !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	stg_json_put_int(in, "percent", r.percent);
	stg_json_put_int(in, "took_ms", stg_boot_ms() - since);
	if (failed)
		judge(&r, ran && WIFEXITED(status) ? WEXITSTATUS(status) : -1, in);
	else
		stg_json_put_bool(in, "ok", true);
	if (!ran) {
		stg_json_put_int(in, "id", err.id);
		stg_json_put(in, "msg", err.msg);
	}
	if (failed && ran)
		stg_fail_id(&err, STG_E_REFUSED, (enum stg_id)stg_json_int(in, "id", 0), 0, "%s", stg_json_str(in, "msg"));
	bool kept = stg_cmd_call(c, "restore.end", in, NULL, 0, &ret, &ignored);
	json_decref(in);
	json_decref(ret);
	if (failed) {
		int told = stg_cmd_tell(c, &err);
		return told ? told : 1;
	}
	if (!c->quiet && !c->json)
		printf(update ? _("%s is updated to %s. It goes on when it is back.\n") : _("%s is restored with %s. It goes on when it is back.\n"),
		       stg_json_str(began, "serial"), stg_json_str(json_object_get(began, "image"), "version"));
	return kept ? 0 : ignored;
}

/* ---- which device ---- */

static bool is_it(const json_t *slot, const char *word)
{
	static const char *const keys[] = { "serial", "ecid", "udid", "port", "label", "asset_tag" };
	for (size_t i = 0; i < STG_ARRAY_LEN(keys); i++)
		if (*stg_json_str(slot, keys[i]) && strcasecmp(stg_json_str(slot, keys[i]), word) == 0)
			return true;
	return false;
}

/* The plugged-in one that is meant, and how many say that they are it. Borrowed from `slots`. */
static const json_t *pick(const json_t *slots, const char *word, int64_t *ret_alike)
{
	const json_t *found = NULL;
	json_t *one;
	size_t i;
	json_array_foreach((json_t *)slots, i, one)
		if (!found && is_it(one, word) && *stg_json_str(one, "ecid"))
			found = one;
	*ret_alike = 0;
	json_array_foreach((json_t *)slots, i, one)
		*ret_alike += found && (strcmp(stg_json_str(one, "ecid"), stg_json_str(found, "ecid")) == 0 ||
					(*stg_json_str(found, "serial") && strcmp(stg_json_str(one, "serial"), stg_json_str(found, "serial")) == 0));
	return found;
}

static bool port_is_allowed(const json_t *ports, const char *port)
{
	size_t i;
	json_t *one;
	json_array_foreach((json_t *)ports, i, one)
		if (strcmp(stg_json_str(one, "port"), port) == 0 || strcmp(stg_json_str(one, "port"), "*") == 0) {
			if (stg_json_bool(one, "allowed", false))
				return true;
		}
	return false;
}

static const json_t *list_in(const json_t *ret, const char *key)
{
	return json_is_array(ret) ? ret : json_object_get(ret, key);
}

static bool until_settled(void *ctx, const json_t *event)
{
	bool *settled = ctx;
	*settled = *settled || strcmp(stg_json_str(event, "what"), "settled") == 0 || stg_json_bool(event, "settled", false);
	return !*settled;
}

static int one(struct stg_cmd_ctx *c, const char *word, const char *image, bool update)
{
	STG_AUTO(stg_json_free_at) json_t *slots = NULL, *ports = NULL, *began = NULL, *in = json_object();
	struct stg_error err = { 0 };
	int status = 0;
	int64_t alike = 0;
	if (!stg_cmd_call(c, "devices", NULL, NULL, 0, &slots, &status) || !stg_cmd_call(c, "port.list", in, NULL, 0, &ports, &status))
		return status;
	const json_t *slot = pick(list_in(slots, "devices"), word, &alike);
	if (!slot) {
		stg_fail_id(&err, STG_E_NOT_FOUND, STG_ID_NOTHING_PLUGGED, 0, "%.64s", word);
		return stg_cmd_tell(c, &err);
	}
	/* the program would ask it for a trust that it does not give to it */
	const char *mode = stg_json_str(slot, "mode");
	if (strcmp(mode, "normal") == 0 || strcmp(mode, "unknown") == 0) {
		stg_fail_id(&err, STG_E_NEEDS_HUMAN, STG_ID_NOT_IN_RECOVERY, 0, "%s", recovery_keys(stg_json_str(slot, "model")));
		return stg_cmd_tell(c, &err);
	}
	json_object_set(in, "slot", (json_t *)(uintptr_t)slot);
	stg_json_put_int(in, "alike", alike);
	stg_json_put_bool(in, "port_allowed", port_is_allowed(list_in(ports, "ports"), stg_json_str(slot, "port")));
	stg_json_put_bool(in, "update", update);
	stg_json_put(in, "image", image);
	return stg_cmd_call(c, "restore.begin", in, NULL, 0, &began, &status) ? restore(c, began) : status;
}

static int run(struct stg_cmd_ctx *c)
{
	static const struct option options[] = { { "image", required_argument, NULL, 'i' }, { "update", no_argument, NULL, 'u' }, { 0 } };
	const char *word = NULL, *image = "";
	bool update = false;
	int opt;
	optind = 1;
	while ((opt = word_option(c, options)) != -1) {
		switch (opt) {
		case 'i': image = optarg; break;
		case 'u': update = true; break;
		default: return 2;
		}
	}
	if (optind < c->argc)
		word = c->argv[optind++];
	if (!words_end(c))
		return 2;
	struct stg_error err = { 0 };
	struct child station;
	bool settled = false;
	int status = 0;
	if (!word) {
		fprintf(stderr, "%s\n", _("stager restore: say which device: a serial, an ECID, a port or a tag"));
		return 2;
	}
	if (!is_installed()) {
		stg_fail_id(&err, STG_E_STATION, STG_ID_RESTORE_PROGRAM, 0, PROGRAM);
		return stg_cmd_tell(c, &err);
	}
	struct stg_caller *caller = stg_cmd_caller(c, &status);
	if (!caller)
		return status;
	if (!station_needed(caller, &station, &err))
		return stg_cmd_tell(c, &err);
	status = stg_events(caller, until_settled, &settled, NULL, &err) ? one(c, word, image, update) : stg_cmd_tell(c, &err);
	station_release(caller, &station);
	return status;
}

const struct stg_cmd stg_cmd_restore = {
	.name = "restore",
	.usage = N_("stager restore SERIAL|ECID|PORT [--image VERSION|BUILD|SHA-256]\n"
		    "    a full restore with an image of `stager image`: EVERYTHING on it is erased; the erase is ordered and confirmed as\n"
		    "    any other: stager wipe --serial S\n"
		    "stager restore SERIAL|ECID|PORT --update [--image ...]\n"
		    "    a newer system, the data stays\n"
		    "It begins in recovery mode: the step enter_recovery puts a device there that trusts this station, else press the keys that are named.\n"
		    "Needs the program idevicerestore, and a line: the maker signs each restore for one device when it happens."),
	.about = N_("restores or updates one device's system with a kept image"),
	.run = run,
};
