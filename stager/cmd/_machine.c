/*
 * _machine.c - the machine under the station: usbmuxd, disk, who may read what, udev rules.
 *
 * For:    stager doctor, stager support.
 * Uses:   the kernel's view of processes, sockets and files.
 * Called: _health.c.
 * Thread: the command's.
 *
 * Facts: options of usbmuxd 1.1.1 as its --help tells them: -p/--no-preflight, -s/--systemd (implies -z), -z/--enable-exit,
 * -n/--disable-hotplug, -u/--udev (implies -n and -z); -U/--user and -l/--logfile take a value (Debian 12, 2026).
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <stager/message.h>
#include <stager/text.h>

#include "_child.h"
#include "_health.h"

#define DISK_LEAST (500ull << 20)
#define DISK_SOON (2ull << 30)
#define INODES_LEAST 2000
#define VERSION_DEADLINE_MS 5000
#define OLDEST_MAJOR 1
#define OLDEST_MINOR 1
#define OLDEST_PATCH 1

/* ---- usbmuxd ---- */

/* What a process was called with, NUL between the words; false when it is not usbmuxd. */
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

/* The one that serves this socket, where the kernel tells; else any. */
static bool usbmuxd_called_with(int fd, char *words, size_t size, size_t *ret_len)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);
	char pid[16];
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.pid > 1) {
		snprintf(pid, sizeof(pid), "%d", (int)peer.pid);
		return usbmuxd_words(pid, words, size, ret_len);
	}
	DIR *d = opendir("/proc");
	const struct dirent *e;
	bool found = false;
	while (d && !found && (e = readdir(d)))
		found = e->d_name[0] >= '1' && e->d_name[0] <= '9' && usbmuxd_words(e->d_name, words, size, ret_len);
	if (d)
		closedir(d);
	return found;
}

struct options {
	bool no_preflight, exits, no_hotplug;
};

static void usbmuxd_option(struct options *o, const char *w)
{
	static const struct { const char *name; char letter; } known[] = {
		{ "--no-preflight", 'p' }, { "--systemd", 's' }, { "--enable-exit", 'z' }, { "--disable-hotplug", 'n' }, { "--udev", 'u' },
	};
	for (size_t i = 0; i < STG_ARRAY_LEN(known); i++) {
		/* letters may stand together: -fp */
		if (strcmp(w, known[i].name) != 0 && (w[0] != '-' || w[1] == '-' || !strchr(w, known[i].letter)))
			continue;
		o->no_preflight |= i == 0;
		o->exits |= i == 1 || i == 2;
		o->no_hotplug |= i == 3 || i == 4;
	}
}

/* Options that take a value: what follows is a folder or a user, not more letters. */
static bool takes_value(const char *w)
{
	static const char *const with[] = { "-U", "-l", "--user", "--logfile" };
	for (size_t i = 0; i < STG_ARRAY_LEN(with); i++)
		if (strcmp(w, with[i]) == 0)
			return true;
	return false;
}

static struct options usbmuxd_options(const char *words, size_t len)
{
	struct options o = { 0 };
	const char *w = words + strlen(words) + 1;
	for (; w < words + len; w += strlen(w) + 1) {
		usbmuxd_option(&o, w);
		if (takes_value(w))
			w += strlen(w) + 1;
	}
	return o;
}

static void tell_options(struct health *h, const char *words, size_t len)
{
	struct options o = usbmuxd_options(words, len);
	if (o.no_hotplug)
		health_tell(h, HEALTH_FAIL, "usbmuxd", STG_ID_MUX_OPTIONS, _("It runs without hot-plug and sees no device that is plugged in later."), NULL);
	else if (!o.no_preflight)
		health_tell(h, HEALTH_WARN, "usbmuxd", STG_ID_MUX_OPTIONS, _("It answers, but it may pair devices by itself."), NULL);
	else if (o.exits)
		health_tell(h, HEALTH_WARN, "usbmuxd", STG_ID_MUX_OPTIONS, _("It answers, but it leaves when no device is plugged in."), NULL);
	else
		health_tell(h, HEALTH_OK, "usbmuxd", 0, _("answers, and leaves pairing to the station"), "");
}

void usbmuxd_version(char *ret, size_t size)
{
	static const char *const places[] = { "/usr/sbin/usbmuxd", "/usr/local/sbin/usbmuxd" };
	STG_AUTO(stg_buf_clear) struct stg_buf said = STG_BUF(1024);
	ret[0] = 0;
	for (size_t i = 0; i < STG_ARRAY_LEN(places); i++) {
		char *argv[] = { (char *)(uintptr_t)places[i], (char *)(uintptr_t)"--version", NULL };
		if (access(places[i], X_OK) != 0 || !child_output(argv, VERSION_DEADLINE_MS, &said, NULL))
			continue;
		char line[80];
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(stg_buf_str(&said), "\r\n"), stg_buf_str(&said));
		stg_printable(line, true, ret, size);
		return;
	}
}

static void tell_version(struct health *h)
{
	char version[80], text[160];
	int major = 0, minor = 0, patch = 0;
	usbmuxd_version(version, sizeof(version));
	if (!version[0] || sscanf(version, "usbmuxd %d.%d.%d", &major, &minor, &patch) < 2)
		return;
	bool old = major != OLDEST_MAJOR ? major < OLDEST_MAJOR : minor != OLDEST_MINOR ? minor < OLDEST_MINOR : patch < OLDEST_PATCH;
	if (old)
		snprintf(text, sizeof(text), _("%s is older than the 1.1.1 that was tried."), version);
	else
		stg_copy(text, sizeof(text), version);
	health_tell(h, old ? HEALTH_WARN : HEALTH_OK, "usbmuxd version", old ? STG_ID_MUX_OLD : 0, text, NULL);
}

static void usbmuxd(struct health *h)
{
	const char *given = getenv("USBMUXD_SOCKET_ADDRESS");
	const char *path = given && strncasecmp(given, "unix:", 5) == 0 ? given + 5 : access("/run/usbmuxd", F_OK) == 0 ? "/run/usbmuxd" : "/var/run/usbmuxd";
	struct stg_error err = { 0 };
	char words[2048];
	size_t len = 0;
	if (given && strncasecmp(given, "unix:", 5) != 0) {
		health_tell(h, HEALTH_OK, "usbmuxd", 0, _("a virtual bench over TCP; it is not asked"), "");
		return;
	}
	while (path[0] == '/' && path[1] == '/')
		path++;
	STG_AUTO(stg_close_at) int fd = stg_unix_connect(path, &err);
	if (fd < 0)
		health_tell(h, HEALTH_FAIL, "usbmuxd", STG_ID_NO_USBMUXD, NULL, NULL);
	else if (usbmuxd_called_with(fd, words, sizeof(words), &len))
		tell_options(h, words, len);
	else if (given)
		health_tell(h, HEALTH_OK, "usbmuxd", 0, _("a virtual bench answers"), "");
	else
		health_tell(h, HEALTH_WARN, "usbmuxd", STG_ID_MUX_OPTIONS, _("It answers, but how it was started cannot be seen."), NULL);
	if (!given)
		tell_version(h);
}

/* ---- files ---- */

static void disk(struct health *h)
{
	struct statvfs v;
	char text[160];
	if (statvfs(h->caller->state_dir, &v) != 0)
		return;
	unsigned long long free_bytes = (unsigned long long)v.f_bavail * v.f_frsize;
	snprintf(text, sizeof(text), _("%llu MB free where the state is"), free_bytes >> 20);
	bool no_names = v.f_files && v.f_favail < INODES_LEAST;
	if (no_names)
		snprintf(text, sizeof(text), _("room for %llu more files only where the state is"), (unsigned long long)v.f_favail);
	if (free_bytes < DISK_LEAST || no_names)
		health_tell(h, HEALTH_FAIL, "disk", STG_ID_DISK_FULL, text, _("Free some space: 500 MB are the least to work with."));
	else if (free_bytes < DISK_SOON)
		health_tell(h, HEALTH_WARN, "disk", STG_ID_DISK_FULL, text, _("Free some space: 500 MB are the least to work with."));
	else
		health_tell(h, HEALTH_OK, "disk", 0, text, "");
}

/* The service's socket is for its group, another's for its owner; nobody else may order an erase. */
static void socket_mode(struct health *h)
{
	struct stat st;
	if (h->caller->fd < 0 || stat(h->caller->socket, &st) != 0)
		return;
	if (st.st_mode & S_IRWXO)
		health_tell(h, HEALTH_FAIL, "socket", STG_ID_STATE_EXPOSED, h->caller->socket, _("Stop the station, remove the socket, start it again."));
	else
		health_tell(h, HEALTH_OK, "socket", 0, _("only for those who may"), "");
}

/* Recovery and DFU need our rule; a virtual bench has no USB to give away. */
static void udev_rules(struct health *h)
{
	static const char *const places[] = { "/etc/udev/rules.d", "/run/udev/rules.d", "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d" };
	if (getenv("USBMUXD_SOCKET_ADDRESS"))
		return;
	for (size_t i = 0; i < STG_ARRAY_LEN(places); i++) {
		char path[80];
		snprintf(path, sizeof(path), "%s/60-stager.rules", places[i]);
		if (access(path, R_OK) == 0) {
			health_tell(h, HEALTH_OK, "udev rules", 0, path, "");
			return;
		}
	}
	health_tell(h, geteuid() == 0 ? HEALTH_OK : HEALTH_WARN, "udev rules", geteuid() == 0 ? 0 : STG_ID_NO_UDEV_RULES,
		    geteuid() == 0 ? _("not there; not needed by root") : NULL, geteuid() == 0 ? "" : NULL);
}

void health_machine(struct health *h)
{
	usbmuxd(h);
	disk(h);
	socket_mode(h);
	udev_rules(h);
}
