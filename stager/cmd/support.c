/*
 * support.c - one file to send when somebody is asked for help: logs, versions, what doctor says, how full the state is, what
 * hangs on which socket. No secret is in it.
 *
 * For:    people and scripts.
 * Uses:   ops/support.c, which cleans every text; _health.c, the topology, journalctl and dpkg-query where they are.
 * Called: main.c.
 * Thread: the command's.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include <stager/clock.h>
#include <stager/file.h>
#include <stager/text.h>
#include <stager/topology.h>

#include "_child.h"
#include "_health.h"
#include "_io.h"
#include "_table.h"
#include "_tar.h"
#include "_words.h"

#define JOURNAL_MAX (2u << 20)
#define KERNEL_MAX (512u << 10)
#define PACKAGES_MAX (256u << 10)
#define PROGRAM_MS 20000
#define TREE_MAX (1u << 20)

static void put_text(json_t *texts, const char *name, const struct stg_buf *text)
{
	json_t *value = json_stringn(stg_buf_str(text), text->len);
	if (!value) {
		/* not UTF-8, or cut within a letter: printable ASCII is left */
		STG_AUTO(stg_free_at) char *plain = stg_strdup(stg_buf_str(text));
		for (char *p = plain; *p; p++)
			if ((*p < 32 && *p != '\n' && *p != '\t') || *p > 126 || *p < 0)
				*p = '?';
		value = json_string(plain);
	}
	stg_json_put_new(texts, name, value);
}

/* What a program says, as far as it fits; its absence is no error here. */
static void put_output(json_t *texts, const char *name, size_t most, char *const argv[])
{
	STG_AUTO(stg_buf_clear) struct stg_buf said = STG_BUF(most);
	(void)child_output(argv, PROGRAM_MS, &said, NULL);
	if (said.len)
		put_text(texts, name, &said);
}

static void journals(json_t *texts)
{
	char *station[] = { (char *)(uintptr_t)"journalctl", (char *)(uintptr_t)"--no-pager", (char *)(uintptr_t)"--quiet", (char *)(uintptr_t)"--output=short-iso",
			    (char *)(uintptr_t)"--since=-2days", (char *)(uintptr_t)"--lines=12000", (char *)(uintptr_t)"--unit=stager", (char *)(uintptr_t)"--unit=usbmuxd", NULL };
	char *kernel[] = { (char *)(uintptr_t)"journalctl", (char *)(uintptr_t)"--no-pager", (char *)(uintptr_t)"--quiet", (char *)(uintptr_t)"--output=short-iso",
			   (char *)(uintptr_t)"--since=-1days", (char *)(uintptr_t)"--lines=4000", (char *)(uintptr_t)"--dmesg", (char *)(uintptr_t)"--grep=usb|xhci", NULL };
	put_output(texts, "journal/stager.log", JOURNAL_MAX, station);
	put_output(texts, "journal/kernel-usb.log", KERNEL_MAX, kernel);
}

static void versions(json_t *texts)
{
	STG_AUTO(stg_buf_clear) struct stg_buf all = STG_BUF(PACKAGES_MAX), packages = STG_BUF(PACKAGES_MAX), release = STG_BUF(16384);
	struct utsname u;
	char mux[80], now[STG_TIME_TEXT];
	char *argv[] = { (char *)(uintptr_t)"dpkg-query", (char *)(uintptr_t)"--show", (char *)(uintptr_t)"libimobiledevice*", (char *)(uintptr_t)"libusbmuxd*",
			 (char *)(uintptr_t)"usbmuxd", (char *)(uintptr_t)"libplist*", (char *)(uintptr_t)"libusb-1*", (char *)(uintptr_t)"libssl*",
			 (char *)(uintptr_t)"libsqlite3*", (char *)(uintptr_t)"libcurl4*", (char *)(uintptr_t)"libjansson4", (char *)(uintptr_t)"libjq1",
			 (char *)(uintptr_t)"systemd", (char *)(uintptr_t)"udev", NULL };
	stg_time_text(stg_wall_ms(), now);
	usbmuxd_version(mux, sizeof(mux));
	if (uname(&u) != 0)
		memset(&u, 0, sizeof(u));
	/* patterns that fit nothing end it with a status; what it printed before counts */
	(void)child_output(argv, PROGRAM_MS, &packages, NULL);
	(void)stg_file_read("/etc/os-release", &release, NULL);
	if (stg_buf_printf(&all, NULL, "stager %s\n%s %s %s\n%s\n%s\n\n%s\n%s", STG_VERSION, u.sysname, u.release, u.machine, mux[0] ? mux : "usbmuxd -", now,
			   stg_buf_str(&packages), stg_buf_str(&release)))
		put_text(texts, "versions.txt", &all);
}

/* Each socket under the one it hangs on. */
static void tree(json_t *texts)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(TREE_MAX);
	STG_AUTO(stg_topology_free_at) struct stg_topology *t = stg_topology_new(NULL);
	if (!t || !stg_topology_scan(t, NULL))
		return;
	for (size_t i = 0; i < stg_topology_count(t); i++) {
		const struct stg_usb_device *d = stg_topology_at(t, i);
		int depth = strchr(d->port, '-') ? 1 : 0;
		for (const char *p = d->port; *p; p++)
			depth += *p == '.';
		if (!stg_buf_printf(&text, NULL, "%*s%s %04x:%04x %d Mbit/s %d mA endpoints=%d", 2 * depth, "", d->port, d->vid, d->pid, d->speed_mbps,
				    d->max_power_ma, d->endpoints) ||
		    (d->is_hub && !stg_buf_printf(&text, NULL, " hub sockets=%d%s%s%s", d->sockets, d->self_powered ? " self-powered" : "",
						  d->controller[0] ? " " : "", d->controller)) ||
		    (!d->is_hub && !stg_buf_printf(&text, NULL, " mode=%s serial=%s udid=%s", stg_mode_name(d->mode), d->serial, d->udid)) ||
		    !stg_buf_printf(&text, NULL, " %s %s\n", d->maker, d->product))
			break;
	}
	if (text.len)
		put_text(texts, "topology.txt", &text);
}

static bool doctor(json_t *texts, struct stg_caller *caller, struct stg_error *err)
{
	struct health h;
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(1 << 20);
	size_t i;
	json_t *line;
	if (!health_look(&h, caller, err))
		return false;
	json_array_foreach(h.lines, i, line) {
		char *one = stg_json_text(line);
		(void)stg_buf_printf(&text, NULL, "%s\n", one);
		free(one);
	}
	json_decref(h.lines);
	put_text(texts, "doctor.jsonl", &text);
	return true;
}

/* ---- the bundle ---- */

static bool write_readme(int fd, const char *folder, const json_t *files, int64_t blacked_out, bool pseudonyms, int64_t now_ms, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf text = STG_BUF(1 << 16);
	char path[100], now[STG_TIME_TEXT];
	const char *name;
	json_t *value;
	stg_time_text(now_ms, now);
	bool ok = stg_buf_printf(&text, err, "stager %s, %s\n\n%s\n%s\n\n", STG_VERSION, now,
				 _("For whoever helps. Secrets were taken out before this file was written; read it all the same before you send it."),
				 pseudonyms ? _("Serial numbers, UDIDs, IMEIs and tags are pseudonyms (id-...): the same device has the same one, in every bundle of this station.")
					    : _("Serial numbers are in it; --hash-serials makes pseudonyms of them.")) &&
		  stg_buf_printf(&text, err, _("Places blacked out: %lld"), (long long)blacked_out) && stg_buf_add_str(&text, "\n\n", err);
	json_object_foreach((json_t *)(uintptr_t)files, name, value)
		ok = ok && stg_buf_printf(&text, err, "%8zu  %s\n", json_string_length(value), name);
	snprintf(path, sizeof(path), "%s/README.txt", folder);
	return ok && tar_add(fd, path, stg_buf_view(&text), now_ms, err);
}

static bool write_bundle(int fd, const char *folder, const json_t *got, bool pseudonyms, struct stg_error *err)
{
	const json_t *files = json_object_get(got, "files");
	int64_t now_ms = stg_wall_ms();
	const char *name;
	json_t *value;
	if (!write_readme(fd, folder, files, stg_json_int(got, "blacked_out", 0), pseudonyms, now_ms, err))
		return false;
	json_object_foreach((json_t *)(uintptr_t)files, name, value) {
		char path[100];
		if (snprintf(path, sizeof(path), "%s/%s", folder, name) < (int)sizeof(path) &&
		    !tar_add(fd, path, stg_bytes(json_string_value(value), json_string_length(value)), now_ms, err))
			return false;
	}
	return tar_end(fd, err);
}

static json_t *collect(struct stg_cmd_ctx *c, struct stg_caller *caller, bool pseudonyms, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *texts = json_object();
	json_t *got = NULL;
	(void)c;
	if (!doctor(texts, caller, err))
		return NULL;
	versions(texts);
	tree(texts);
	journals(texts);
	STG_AUTO(stg_json_free_at) json_t *in = json_pack("{s:O, s:b}", "texts", texts, "pseudonyms", pseudonyms);
	return stg_call(caller, "support.collect", in, NULL, 0, &got, err) ? got : NULL;
}

static int write_it(struct stg_cmd_ctx *c, const char *path, bool pseudonyms)
{
	struct stg_error err = { 0 };
	struct output out = OUTPUT_NONE;
	char folder[64];
	int status = 0;
	time_t s = (time_t)(stg_wall_ms() / 1000);
	struct tm tm;
	struct stg_caller *caller = stg_cmd_caller(c, &status);
	if (!caller)
		return status;
	if (!gmtime_r(&s, &tm) || !strftime(folder, sizeof(folder), "stager-support-%Y%m%d-%H%M%S", &tm))
		stg_copy(folder, sizeof(folder), "stager-support");
	char own[80];
	snprintf(own, sizeof(own), "%s.tar", folder);
	if (!path)
		path = own;
	if (!output_open(&out, path, &err))
		return stg_cmd_tell(c, &err);
	STG_AUTO(stg_json_free_at) json_t *got = collect(c, caller, pseudonyms, &err);
	bool ok = got && write_bundle(out.fd, folder, got, pseudonyms, &err);
	if (!output_close(&out, ok, ok ? &err : NULL) || !ok)
		return stg_cmd_tell(c, &err);
	int64_t blacked = stg_json_int(got, "blacked_out", 0);
	size_t n = json_object_size(json_object_get(got, "files")) + 1;
	if (strcmp(path, "-") == 0)
		return 0;
	if (c->json) {
		STG_AUTO(stg_json_free_at) json_t *doc = json_pack("{s:i, s:s, s:I, s:I, s:b}", "v", 1, "file", path, "files", (json_int_t)n, "blacked_out",
								    (json_int_t)blacked, "hashed", pseudonyms);
		json_line(doc);
	} else if (!c->quiet) {
		printf(_("%s: %zu files, %lld places blacked out. Read it before you send it: tar -xf %s\n"), path, n, (long long)blacked, path);
	}
	return 0;
}

static int run(struct stg_cmd_ctx *c)
{
	static const struct option options[] = { { "hash-serials", no_argument, NULL, 'h' }, { 0 } };
	bool pseudonyms = false;
	int opt;
	optind = 1;
	while ((opt = word_option(c, options)) != -1) {
		if (opt != 'h')
			return 2;
		pseudonyms = true;
	}
	const char *path = optind < c->argc ? c->argv[optind++] : NULL;
	return words_end(c) ? write_it(c, path, pseudonyms) : 2;
}

const struct stg_cmd stg_cmd_support = {
	.name = "support",
	.usage = N_("stager support [FILE.tar] [--hash-serials]\n"
		    "    logs, versions, what doctor says, tables and their counts, what hangs on which socket; no secret is in it\n"
		    "    --hash-serials  serial numbers, UDIDs, IMEIs and tags become pseudonyms: the same device keeps the same one"),
	.about = N_("writes one file for whoever is asked for help, without secrets"),
	.run = run,
};
